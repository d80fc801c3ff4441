//! What failures cost the address they come from (T13).

use std::net::{IpAddr, SocketAddr};

use gateway_core::ports::{MockAuthenticator, Recall};
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::*;
use crate::support::proto::gateway_service_client::GatewayServiceClient;

/// A client that calls from an address of this machine.
fn from(address: &str, to: SocketAddr) -> GatewayServiceClient<tonic::transport::Channel> {
    let address: IpAddr = address.parse().expect("is an address");
    let endpoint = Endpoint::from_shared(format!("http://{to}")).expect("is a URI");
    GatewayServiceClient::new(endpoint.local_address(Some(address)).connect_lazy())
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_told_to_wait_and_is_not_rejected() {
    let gateway = Gateway::start_with(Options {
        authenticator: Some(every_way(Arc::new(memory::Nonces::default()))),
        attempts: Arc::new(memory::Attempts::new(3)),
        ..Options::default()
    })
    .await;
    let here = from("127.0.0.1", gateway.address);
    let there = from("127.0.0.2", gateway.address);
    let calls = async |client: &GatewayServiceClient<_>, headers: &[_]| {
        client.clone().send_heartbeat(beat(headers)).await.map(drop)
    };
    let known = bearer(&token_of("w-1"));
    calls(&here, &known).await.expect("is let in");

    for wrong in [key("wrong"), bearer("wrong"), key("else")] {
        let refused = calls(&here, &wrong).await.expect_err("is nobody's");
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let unseen = bearer(&token_of("w-2"));
    for headers in [key("wrong"), key("other"), bearer("wrong"), unseen.clone()] {
        assert_throttled(&calls(&here, &headers).await.expect_err("must wait"));
    }
    // Those that are known to be good are let in, and so is everybody from elsewhere.
    calls(&here, &known).await.expect("is known");
    calls(&here, &key(&key_of("w-2"))).await.expect("is known");
    let both = [key("wrong"), known].concat();
    calls(&here, &both).await.expect("is known");
    calls(&there, &unseen).await.expect("is another address");

    let events = gateway.audit.latest();
    let count = |name| {
        events
            .iter()
            .filter(|event| event.action.name() == name)
            .count()
    };
    assert_eq!(
        (count("rejected"), count("throttled")),
        (3, 1),
        "{events:?}"
    );
    gateway.stop().await;
}

#[track_caller]
fn assert_throttled(refused: &Status) {
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    let delay = refused
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    assert!(
        delay.is_some_and(|delay| delay.as_secs() <= 20),
        "{refused:?}"
    );
    for name in ["retry-after", "grpc-retry-pushback-ms"] {
        assert!(refused.metadata().contains_key(name), "{name}");
    }
}

/// Register carries its key in its message; that is a guess like any other.
#[tokio::test]
async fn a_registration_is_an_attempt_like_any_other() {
    let mut nobody = MockAuthenticator::new();
    nobody.expect_recall().returning(|_| Recall::Unknown);
    nobody
        .expect_authenticate()
        .times(2)
        .returning(|_| Err(gateway_core::ports::AuthError::Rejected));
    let gateway = Gateway::start_with(Options {
        authenticator: Some(Arc::new(nobody)),
        attempts: Arc::new(memory::Attempts::new(2)),
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");
    for code in [
        Code::Unauthenticated,
        Code::Unauthenticated,
        Code::ResourceExhausted,
        Code::ResourceExhausted,
    ] {
        assert_eq!(
            worker.register().await.expect_err("is refused").code(),
            code
        );
    }
    gateway.stop().await;
}
