//! More connections than there is room for.

use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;

use super::raw::{Raw, kind};
use super::{connect, gateway, soon};
use crate::support::Gateway;

/// A connection that is open: the gateway has said its settings.
async fn opened(gateway: &Gateway) -> Option<Raw<TcpStream>> {
    let mut raw = Raw::begin(connect(gateway).await).await;
    let settings = soon(raw.down.next_of(kind::SETTINGS)).await;
    settings.map(|_| raw)
}

/// Waits until there is room for one more.
async fn room(gateway: &Gateway) -> Raw<TcpStream> {
    soon(async {
        loop {
            if let Some(raw) = opened(gateway).await {
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
        held.push(opened(&gateway).await.expect("has room"));
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
    let held = [opened(&gateway).await, opened(&gateway).await];
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
