//! A primary becomes a replica, and takes no writes.

use tonic::Code;

use super::fleet::{Fleet, assert_empty, enqueue};
use super::trial::Trial;
use super::{SOME_TASKS as TASKS, WORKERS};
use crate::support::OnRedis;
use crate::support::servers::{Proxy, RedisServer, until};

/// Nobody listens there, so that whoever is to follow it keeps what it has.
const NOBODY: [&str; 3] = ["REPLICAOF", "127.0.0.1", "1"];

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_is_demoted_under_load_and_promoted_again() {
    let server = RedisServer::start().await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut redis = server.connect().await;
    enqueue(&mut redis, "n", WORKERS, TASKS).await;
    let fleet = Fleet::start(WORKERS, &[gateway.address]);

    for settled in [TASKS / 4, TASKS / 2] {
        fleet.settled(settled).await;
        server.command(&NOBODY).await;
        let refused = gateway.worker("w").poll(1).await.expect_err("is refused");
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        server.command(&["REPLICAOF", "NO", "ONE"]).await;
    }
    fleet.settled(TASKS).await;

    assert!(fleet.failures() > 0, "nobody noticed");
    assert_eq!(fleet.end(TASKS).await, 0, "tasks came twice");
    assert_empty(&mut redis, "n", WORKERS).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_refuses_what_it_cannot_do() {
    let server = RedisServer::start().await;
    let mut redis = server.connect().await;
    let trial = Trial::start(&server.url(), &mut redis).await;

    server.command(&NOBODY).await;
    trial.refuses().await;
    server.command(&["REPLICAOF", "NO", "ONE"]).await;
    trial.recovers(&mut redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_one_address_another_becomes_the_primary() {
    let (old, new) = (RedisServer::start().await, RedisServer::start().await);
    let proxy = Proxy::start(old.port()).await;
    let trial = Trial::start(&proxy.url(), &mut old.connect().await).await;
    follow(&new, &old).await;

    // Whoever is connected stays so: nothing but a refusal tells that the primary is another one.
    proxy.lead_to(new.port());
    new.command(&["REPLICAOF", "NO", "ONE"]).await;
    follow(&old, &new).await;
    trial.recovers(&mut new.connect().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_polls_finds_the_new_primary_as_well() {
    let (old, new) = (RedisServer::start().await, RedisServer::start().await);
    let proxy = Proxy::start(old.port()).await;
    let gateway = OnRedis::start(&proxy.url(), "n").await;
    let worker = gateway.worker("w-0");
    assert!(!worker.poll(1).await.expect("is served").has_task);
    follow(&new, &old).await;

    proxy.lead_to(new.port());
    new.command(&["REPLICAOF", "NO", "ONE"]).await;
    follow(&old, &new).await;
    enqueue(&mut new.connect().await, "n", 1, 1).await;
    let polled = until("it finds it", || async {
        match worker.poll(1000).await {
            Ok(polled) => Some(polled),
            Err(refused) => {
                assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
                None
            }
        }
    })
    .await;
    assert!(polled.has_task);
    gateway.stop().await;
}

/// Makes one a replica of the other, and waits until it has all that the other has.
async fn follow(replica: &RedisServer, primary: &RedisServer) {
    let port = primary.port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    until("it follows", || async {
        let said = replica.command(&["INFO", "replication"]).await.text();
        said.contains("master_link_status:up").then_some(())
    })
    .await;
    // Its own link counts as the first place.
    let mut connection = primary.connect().await;
    let copies = connection.call(&["WAIT", "1", "20000"]).await;
    assert_eq!(copies.expect("answers").int(), 1);
}
