//! Redis comes back without what it knew.

use tokio::task::JoinSet;

use super::fleet::{Fleet, assert_empty, enqueue};
use super::{SOME_TASKS as TASKS, WORKERS};
use crate::support::OnRedis;
use crate::support::servers::{RedisOptions, RedisSentinel, RedisServer};

#[tokio::test(flavor = "multi_thread")]
async fn redis_restarts_and_its_groups_are_gone() {
    let server = RedisServer::start_with(RedisOptions {
        append_only: true,
        ..RedisOptions::default()
    })
    .await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut redis = server.connect().await;
    enqueue(&mut redis, "n", WORKERS, TASKS).await;
    let fleet = Fleet::start(WORKERS, &[gateway.address]);

    for settled in [TASKS / 5, TASKS / 2] {
        fleet.settled(settled).await;
        server.kill();
        server.restart().await;
        redis = server.connect().await;
        for place in 0..WORKERS {
            let stream = format!("n:task:ready:w-{place}");
            let gone = redis
                .call(&["XGROUP", "DESTROY", &stream, "n-workers"])
                .await;
            gone.expect("answers");
        }
    }
    fleet.settled(TASKS).await;

    fleet.end(TASKS).await;
    assert_empty(&mut redis, "n", WORKERS).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_flushed_while_a_hundred_wait() {
    let server = RedisServer::start().await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut polls = JoinSet::new();
    for place in 0..WORKERS {
        let worker = gateway.worker(&format!("w-{place}"));
        polls.spawn(async move { worker.poll(30_000).await });
    }
    // They all have looked by now: each look makes the group of its stream.
    let mut redis = server.connect().await;
    crate::support::servers::until("all wait", || async {
        let keys = server.command(&["KEYS", "n:task:ready:*"]).await;
        (keys.array().len() == WORKERS).then_some(())
    })
    .await;

    server.command(&["FLUSHALL"]).await;
    enqueue(&mut redis, "n", WORKERS, WORKERS).await;
    while let Some(polled) = polls.join_next().await {
        let polled = polled.expect("does not panic").expect("is no error");
        assert!(polled.has_task, "nobody told it that there is a task");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_names_another_primary() {
    let trio = RedisSentinel::start().await;
    let gateway = OnRedis::start(&trio.url(), "n").await;
    let mut redis = trio.primary().await.connect().await;
    enqueue(&mut redis, "n", WORKERS, TASKS).await;
    // What no replica has when the primary dies is lost, whatever we do.
    let copies = redis.call(&["WAIT", "2", "20000"]).await.expect("answers");
    assert_eq!(copies.int(), 2);
    let fleet = Fleet::start(WORKERS, &[gateway.address]);

    fleet.settled(TASKS / 4).await;
    trio.kill_primary().await;
    fleet.settled(TASKS).await;

    fleet.end(TASKS).await;
    gateway.stop().await;
}
