//! Calls of whom nobody knows yet who makes them.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Credential;
use gateway_core::ports::{AuthError, Authenticator, Recall};
use tokio::net::TcpStream;
use tonic::Code;

use super::assert_refused;
use crate::edge::wire::proxy;
use crate::edge::wire::raw::{END_STREAM, Frame, Raw, kind};
use crate::edge::wire::{connect, soon};
use crate::support::{Gateway, Options, Worker, key_of, proto, task, worker_id};

/// So many registrations over one connection, whose messages never come, and the connection once
/// the gateway has seen them all.
async fn without_messages(mut raw: Raw<TcpStream>, registrations: u32) -> Raw<TcpStream> {
    let path = "/antcode.v1.GatewayService/Register";
    let calls = (0..registrations).map(|call| Frame::call(2 * call + 1, path));
    let calls: Vec<_> = calls.collect();
    raw.up.send_all(&calls).await.expect("calls");
    // What is asked last is answered when the others have been looked at.
    let last = 2 * registrations + 1;
    let beat = proto::SendHeartbeatRequest::default();
    let beat = Frame::whole_call(last, "SendHeartbeat", &beat);
    raw.up.send_all(&beat).await.expect("calls");
    loop {
        let frame = soon(raw.down.next()).await.expect("is open");
        if frame.stream == last && frame.kind == kind::HEADERS {
            // An answer that is only an error ends with its headers.
            assert_eq!(frame.flags & END_STREAM, 0, "the heartbeat is refused");
            return raw;
        }
    }
}

/// T9, T10: who has no credential takes no place from those who work.
#[tokio::test]
async fn registrations_without_a_message_refuse_nobodys_results() {
    let gateway = Gateway::start_with(Options {
        adjust: |port| port.max_calls = 16,
        ..Options::default()
    })
    .await;
    gateway.enqueue("w-2", task("r")).await;
    let worker = gateway.worker("w-2");
    let (_, receipt) = worker.take().await;

    let raw = Raw::begin(connect(&gateway).await).await;
    let _stuck = without_messages(raw, 40).await;

    worker.report("r", "success").await.expect("is let in");
    worker.ack(&receipt, true).await.expect("is let in");
    gateway.stop().await;
}

/// T9, T10: a registration that finds no place waits for one, and whoever holds it must be quick.
#[tokio::test]
async fn a_registration_waits_for_its_turn() {
    let gateway = Gateway::start_with(Options {
        adjust: |port| {
            port.max_calls = 16;
            port.registration_timeout = Duration::from_millis(100);
        },
        ..Options::default()
    })
    .await;
    let stuck = (0..2).map(|_| tokio::spawn(gateway.worker("w-1").begin_call("Register")));
    let stuck: Vec<_> = stuck.collect();

    let registered = soon(gateway.worker("w-2").register()).await;
    assert!(registered.expect("is let in").success);
    for call in stuck {
        let overdue = soon(call).await.expect("does not panic");
        let code = overdue.expect_err("has no message").code();
        assert_eq!(code, Code::DeadlineExceeded);
    }
    gateway.stop().await;
}

/// Remembers the keys of two workers, and takes for ever to look up any other.
struct Slow;

#[async_trait]
impl Authenticator for Slow {
    fn recall(&self, credential: &Credential) -> Recall {
        let known = ["w-1", "w-2"]
            .into_iter()
            .find(|id| matches!(credential, Credential::Key(key) if key.expose() == key_of(id)));
        known.map_or(Recall::Unknown, |id| Recall::Good(worker_id(id)))
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        match self.recall(credential) {
            Recall::Good(worker) => Ok(worker),
            Recall::Genuine | Recall::Refused | Recall::Unknown => pending().await,
        }
    }
}

/// T14, T27: strangers that are being looked up take no place from those who are known.
#[tokio::test]
async fn strangers_that_are_looked_up_refuse_nobodys_results() {
    let gateway = Gateway::start_with(Options {
        authenticator: Some(Arc::new(Slow)),
        adjust: |port| port.max_calls = 16,
        ..Options::default()
    })
    .await;
    let stranger = Worker::new(gateway.address, "w-1", Some("anything"));
    let mut calls: Vec<_> = (0..20)
        .map(|_| {
            let stranger = stranger.clone();
            tokio::spawn(async move { stranger.beat(0).await })
        })
        .collect();

    // Two are looked up, and four of one address may wait for that.
    while calls.len() > 6 {
        let (answer, index, _) = soon(futures::future::select_all(&mut calls)).await;
        assert_refused(answer.expect("does not panic"));
        drop(calls.remove(index));
    }
    for _ in 0..3 {
        gateway.worker("w-1").beat(0).await.expect("is let in");
    }
    for call in &calls {
        call.abort();
    }
    gateway.stop().await;
}

/// T9, T27: the strangers of one address, as the proxy tells it, leave places to those of others.
#[tokio::test]
async fn the_strangers_of_one_address_leave_places_to_others() {
    let gateway = Gateway::start_with(Options {
        adjust: |port| {
            port.max_calls = 320;
            // Nobody gives a place up in time.
            port.registration_timeout = Duration::from_mins(2);
            port.limits.request_timeout = Duration::from_mins(2);
            port.limits.proxies = vec!["127.0.0.0/8".parse().expect("is a network")];
        },
        ..Options::default()
    })
    .await;
    let raw = proxy::opened(&gateway, &proxy::header([203, 0, 113, 7])).await;
    let _stuck = without_messages(raw.expect("is open"), 100).await;

    let channel = proxy::through(&gateway, proxy::header([203, 0, 113, 8])).await;
    let mut client = proto::gateway_service_client::GatewayServiceClient::new(channel);
    let registration = proto::RegisterRequest {
        api_key: key_of("w-2"),
        ..Default::default()
    };
    let registered = soon(client.register(registration)).await;
    registered.expect("is let in at once");
    gateway.stop().await;
}
