//! What one worker signs, or somebody sends again, is nobody else's trouble (T13, T27, T28).

use tonic::Code;

use super::*;

/// A gateway where `w-1` and `w-2` may sign so often, and an address may fail three times.
async fn gateway_for(most: u32) -> Gateway {
    let secrets: Value = ["w-1", "w-2"]
        .map(|name| (name, secret_of(name)))
        .into_iter()
        .collect();
    let keys = memory::SigningKeys::parse(&secrets.to_string()).expect("are secrets");
    let nonces = Arc::new(memory::Nonces::default());
    let signatures = Signatures::new(Arc::new(keys), nonces, Arc::new(SystemClock));
    let ways = Ways {
        keys: None,
        tokens: None,
        certificates: None,
        signatures: Some(Arc::new(signatures.limited(move || Some(most)))),
    };
    Gateway::start_with(Options {
        authenticator: Some(Arc::new(ByKind::new(ways))),
        attempts: Arc::new(memory::Attempts::new(3)),
        ..Options::default()
    })
    .await
}

/// What becomes of a call that `name` signs with `nonce`.
async fn call(gateway: &Gateway, name: &str, nonce: &str) -> Code {
    let headers = signature(name, now(), nonce, &secret_of(name));
    send(gateway, &headers).await
}

async fn send(gateway: &Gateway, headers: &[(&'static str, String)]) -> Code {
    let mut client = gateway.worker("").client();
    let sent = client.send_heartbeat(beat(headers)).await;
    sent.map_or_else(|refused| refused.code(), |_| Code::Ok)
}

fn audited(gateway: &Gateway) -> Vec<&'static str> {
    let events = gateway.audit.latest().into_iter();
    events.map(|event| event.action.name()).collect()
}

#[tokio::test]
async fn a_worker_that_signs_too_much_is_refused_alone() {
    let gateway = gateway_for(5).await;
    for number in 0..5 {
        assert_eq!(
            call(&gateway, "w-1", &format!("n-{number}")).await,
            Code::Ok
        );
    }
    for number in 5..20 {
        let code = call(&gateway, "w-1", &format!("n-{number}")).await;
        assert_eq!(code, Code::ResourceExhausted);
    }
    assert_eq!(call(&gateway, "w-2", "n").await, Code::Ok);
    assert_eq!(audited(&gateway), ["limited"]);
    gateway.stop().await;
}

#[tokio::test]
async fn whoever_sends_again_what_it_heard_is_stopped_and_nobody_else_is() {
    let gateway = gateway_for(1000).await;
    let heard = signature("w-1", now(), "n", &secret_of("w-1"));
    assert_eq!(send(&gateway, &heard).await, Code::Ok);
    for _ in 0..3 {
        assert_eq!(send(&gateway, &heard).await, Code::Unauthenticated);
    }
    for _ in 0..20 {
        assert_eq!(send(&gateway, &heard).await, Code::ResourceExhausted);
    }
    // From the same address.
    assert_eq!(call(&gateway, "w-1", "m").await, Code::Ok);
    assert_eq!(call(&gateway, "w-2", "n").await, Code::Ok);
    let told = ["rejected", "rejected", "rejected", "throttled"];
    assert_eq!(audited(&gateway), told);
    gateway.stop().await;
}
