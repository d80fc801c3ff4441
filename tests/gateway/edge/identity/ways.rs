//! The ways in, their order, and what is the same whatever the way.

use std::sync::Arc;

use gateway_core::domain::audit::Action;
use gateway_core::ports::{AuthError, MockNonces};
use tonic::Code;

use super::*;

/// Each kind of credential of a worker.
fn credentials(worker: &str, nonce: &str) -> [Vec<(&'static str, String)>; 3] {
    [
        key(&key_of(worker)),
        bearer(&token_of(worker)),
        signature(worker, now(), nonce, &secret_of(worker)),
    ]
}

/// T17: what is proven is who calls, and nothing else that the call says.
#[tokio::test]
async fn whatever_the_way_a_worker_is_itself_and_nobody_else() {
    let gateway = gateway().await;
    let client = gateway.worker("").client();
    for headers in credentials("w-1", "n-1") {
        let own = client.clone().send_heartbeat(beat(&headers)).await;
        own.expect("is let in");
    }
    for headers in credentials("w-1", "n-2") {
        let mut request = beat(&headers);
        request.get_mut().worker_id = "w-2".into();
        let refused = client.clone().send_heartbeat(request).await;
        let refused = refused.expect_err("is another's");
        assert_eq!(refused.code(), Code::PermissionDenied, "{headers:?}");
    }
    for headers in [key(&key_of("w-1")), bearer(&token_of("w-1"))] {
        let mut headers = headers;
        headers.push(("x-worker-id", "w-2".into()));
        let refused = client.clone().send_heartbeat(beat(&headers)).await;
        let refused = refused.expect_err("is another's");
        assert_eq!(refused.code(), Code::PermissionDenied, "{headers:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_first_that_is_valid_counts_and_the_wrong_ones_before_it_are_written_down() {
    let gateway = gateway().await;
    let client = gateway.worker("").client();
    let (wrong_key, wrong_token) = (key("wrong"), bearer("a.b.c"));
    let signed = |worker, nonce| signature(worker, now(), nonce, &secret_of(worker));
    for (parts, who, wrong) in [
        (
            vec![key(&key_of("w-1")), bearer(&token_of("w-2"))],
            "w-1",
            &[][..],
        ),
        (vec![key(&key_of("w-1")), wrong_token.clone()], "w-1", &[]),
        (
            vec![wrong_key.clone(), bearer(&token_of("w-2"))],
            "w-2",
            &["api key"],
        ),
        (
            vec![wrong_key.clone(), signed("w-2", "n-1")],
            "w-2",
            &["api key"],
        ),
        (
            vec![wrong_token.clone(), signed("w-2", "n-2")],
            "w-2",
            &["token"],
        ),
        (
            vec![wrong_key, wrong_token, signed("w-2", "n-3")],
            "w-2",
            &["api key", "token"],
        ),
    ] {
        let before = gateway.audit.latest().len();
        let mut request = beat(&parts.concat());
        // It would be refused if somebody else's credential counted.
        request.get_mut().worker_id = who.into();
        client.clone().send_heartbeat(request).await.expect(who);
        let events = gateway.audit.latest();
        // T34: one record a call, of all that was wrong with it.
        let noted: Vec<_> = events[before..]
            .iter()
            .map(|event| {
                let Action::Rejected { credentials, .. } = &event.action else {
                    panic!("{event:?}");
                };
                credentials.as_slice()
            })
            .collect();
        let one = (!wrong.is_empty()).then_some(wrong);
        assert_eq!(noted, Vec::from_iter(one), "{parts:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_wrong_key_in_the_message_of_register_is_a_wrong_one_beside_a_right_one() {
    let gateway = gateway().await;
    let client = gateway.worker("").client();
    for headers in credentials("w-1", "n-1") {
        let before = gateway.audit.latest().len();
        let mut request = Request::new(proto::RegisterRequest {
            api_key: "wrong".into(),
            ..Default::default()
        });
        *request.metadata_mut() = beat(&headers).metadata().clone();
        let registered = client.clone().register(request).await.expect("is let in");
        assert_eq!(registered.get_ref().worker_id, "w-1", "{headers:?}");

        let events = gateway.audit.latest();
        let rejected = events[before..].iter();
        let rejected = rejected.filter(|event| event.action.name() == "rejected");
        let [event] = *rejected.collect::<Vec<_>>() else {
            panic!("{headers:?}: {events:?}");
        };
        let Action::Rejected { credentials, .. } = &event.action else {
            panic!("{event:?}");
        };
        assert_eq!(*credentials, ["api key"], "{headers:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_signature_counts_once_and_a_repetition_not() {
    let gateway = gateway().await;
    let client = gateway.worker("").client();
    let headers = signature("w-1", now(), "n", &secret_of("w-1"));
    client
        .clone()
        .send_heartbeat(beat(&headers))
        .await
        .expect("is let in");
    for _ in 0..3 {
        let refused = client.clone().send_heartbeat(beat(&headers)).await;
        assert_eq!(refused.expect_err("was used").code(), Code::Unauthenticated);
    }
    let others = signature("w-2", now(), "n", &secret_of("w-2"));
    client
        .clone()
        .send_heartbeat(beat(&others))
        .await
        .expect("is another's nonce");
    gateway.stop().await;
}

#[tokio::test]
async fn an_outage_rejects_nobody_and_stops_nobody_with_another_proof() {
    let mut nonces = MockNonces::new();
    nonces.expect_recalls().returning(|_, _| false);
    nonces
        .expect_spend()
        .returning(|_, _, _| Err(AuthError::Unavailable("away".into())));
    let gateway = Gateway::start_with(Options {
        authenticator: Some(every_way(Arc::new(nonces))),
        attempts: Arc::new(memory::Attempts::new(3)),
        ..Options::default()
    })
    .await;
    let client = gateway.worker("").client();
    let signed = |nonce: &str| signature("w-1", now(), nonce, &secret_of("w-1"));
    for number in 0..20 {
        let headers = signed(&format!("n-{number}"));
        let refused = client.clone().send_heartbeat(beat(&headers)).await;
        let refused = refused.expect_err("cannot be told");
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    }
    let wrong_too = [key("wrong"), signed("n")].concat();
    let refused = client.clone().send_heartbeat(beat(&wrong_too)).await;
    assert_eq!(
        refused.expect_err("cannot be told").code(),
        Code::Unavailable
    );
    let right_too = [bearer(&token_of("w-1")), signed("n")].concat();
    client
        .clone()
        .send_heartbeat(beat(&right_too))
        .await
        .expect("is let in");
    gateway.stop().await;
}

#[tokio::test]
async fn a_refusal_names_the_ways_there_are() {
    let gateway = gateway().await;
    let refused = gateway.worker("").client().send_heartbeat(beat(&[])).await;
    let refused = refused.expect_err("is nobody");
    for way in ["x-api-key", "bearer token", "certificate", "x-signature"] {
        assert!(refused.message().contains(way), "{refused:?}");
    }
    gateway.stop().await;
}
