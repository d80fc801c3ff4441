//! More connections than there is room for.

use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;

use super::raw::{END_STREAM, Frame, Raw, kind};
use super::{connect, gateway, soon};
use crate::support::{Gateway, proto};

/// A connection that is open: the gateway has said its settings.
async fn opened(gateway: &Gateway) -> Option<Raw<TcpStream>> {
    let mut raw = Raw::begin(connect(gateway).await).await;
    let settings = soon(raw.down.next_of(kind::SETTINGS)).await;
    settings.map(|_| raw)
}

/// One over which a worker has proven who it is.
async fn known(gateway: &Gateway) -> Option<Raw<TcpStream>> {
    let mut raw = opened(gateway).await?;
    let beat = proto::SendHeartbeatRequest {
        worker_id: "w-1".into(),
        ..Default::default()
    };
    let call = Frame::whole_call(1, "SendHeartbeat", &beat);
    raw.up.send_all(&call).await.ok()?;
    let answer = soon(raw.down.next_of(kind::HEADERS)).await;
    answer.map(|_| raw)
}

/// One over which a stranger asks what anybody may ask.
async fn stranger(gateway: &Gateway) -> Raw<TcpStream> {
    let mut raw = opened(gateway).await.expect("has room");
    let asks = [
        Frame::call(1, "/grpc.health.v1.Health/Check"),
        Frame::new(kind::DATA, END_STREAM, 1, &[0; 5]),
    ];
    raw.up.send_all(&asks).await.expect("asks");
    let answer = soon(raw.down.next_of(kind::HEADERS)).await;
    answer.expect("is answered");
    raw
}

/// Waits until there is room for one more.
async fn room(gateway: &Gateway) -> Raw<TcpStream> {
    soon(async {
        loop {
            if let Some(raw) = known(gateway).await {
                return raw;
            }
        }
    })
    .await
}

// T1, T3
#[tokio::test]
async fn connections_are_as_many_as_may_be_at_once() {
    let gateway = gateway(|settings| settings.limits.max_connections = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(known(&gateway).await.expect("has room"));
    }

    assert!(opened(&gateway).await.is_none());
    held.pop();
    room(&gateway).await;
    drop(held);
    gateway.stop().await;
}

// T1
#[tokio::test]
async fn an_address_has_no_more_than_its_share() {
    let gateway = gateway(|settings| settings.limits.max_connections_per_address = 2).await;
    let held = [known(&gateway).await, known(&gateway).await];
    assert!(held.iter().all(Option::is_some));

    assert!(opened(&gateway).await.is_none());
    drop(held);
    room(&gateway).await;
    gateway.stop().await;
}

// T1: those that are open are not given up for those that are not.
#[tokio::test]
async fn open_connections_are_safe_from_those_that_only_begin() {
    let gateway = gateway(|settings| {
        settings.limits.max_connections = 8;
        settings.limits.max_handshakes = 4;
    })
    .await;
    let worker = gateway.worker("w-1");
    worker.beat(0).await.expect("is served");

    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(connect(&gateway).await);
        worker.beat(0).await.expect("is served beside them");
    }
    let newcomer = soon(gateway.worker("w-2").beat(0)).await;
    newcomer.expect("gets in beside them");
    gateway.stop().await;
}

// T1: nor for strangers, who keep their place for as long as nobody needs it.
#[tokio::test]
async fn strangers_keep_no_worker_out() {
    let gateway = gateway(|settings| settings.limits.max_connections = 8).await;
    let mut strangers = Vec::new();
    for _ in 0..8 {
        strangers.push(stranger(&gateway).await);
    }

    let workers = [gateway.worker("w-1"), gateway.worker("w-2")];
    for worker in &workers {
        soon(worker.beat(0)).await.expect("gets in beside them");
    }
    for _ in 0..16 {
        strangers.push(stranger(&gateway).await);
        let served = futures::future::try_join_all(workers.iter().map(|worker| worker.beat(0)));
        served.await.expect("are served beside them");
    }
    // The latest of them are still there, the oldest are not.
    let latest = strangers.last_mut().expect("is there");
    latest.up.send(&Frame::ping()).await.expect("pings");
    let answer = soon(latest.down.next_of(kind::PING)).await;
    answer.expect("is answered");
    soon(strangers[0].down.rest()).await;
    gateway.stop().await;
}

// T1, of one address
#[tokio::test]
async fn strangers_do_not_use_up_the_share_of_their_address() {
    let gateway = gateway(|settings| settings.limits.max_connections_per_address = 2).await;
    let _strangers = [stranger(&gateway).await, stranger(&gateway).await];

    let held = [known(&gateway).await, known(&gateway).await];
    assert!(held.iter().all(Option::is_some));
    assert!(opened(&gateway).await.is_none());
    gateway.stop().await;
}

// R26, in plain
#[tokio::test]
async fn a_herd_that_comes_at_once_is_served() {
    let gateway = gateway(|settings| {
        settings.max_calls_per_worker = 1000;
        settings.limits.max_handshakes = 64;
        // They all share one thread with the gateway.
        settings.limits.handshake_timeout = Duration::from_mins(1);
        settings.limits.handshake_turn = Duration::from_mins(1);
    })
    .await;

    let workers: Vec<_> = (0..1000).map(|_| gateway.worker("w-1")).collect();
    let served = soon(join_all(workers.iter().map(|worker| worker.beat(0)))).await;
    for served in served {
        served.expect("is served");
    }
    gateway.stop().await;
}
