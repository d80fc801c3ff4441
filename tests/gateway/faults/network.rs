//! The network between the gateway and Redis.

use super::fleet::{Fleet, assert_empty, enqueue};
use super::{TASKS, WORKERS};
use crate::support::servers::{Proxy, RedisServer};
use crate::support::{OnRedis, proto};

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_is_killed_again_and_again() {
    let server = RedisServer::start().await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut redis = server.connect().await;
    enqueue(&mut redis, "n", WORKERS, TASKS).await;
    let fleet = Fleet::start(WORKERS, &[gateway.address]);

    for tenth in 1..10 {
        fleet.settled(tenth * TASKS / 10).await;
        for kind in ["normal", "pubsub"] {
            let killed = redis.call(&["CLIENT", "KILL", "TYPE", kind]).await;
            assert_eq!(killed.expect("answers").error(), None);
        }
    }
    fleet.settled(TASKS).await;

    fleet.end(TASKS).await;
    assert_empty(&mut redis, "n", WORKERS).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_get_lost_and_no_task_with_them() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let gateway = OnRedis::start(&proxy.url(), "n").await;
    let mut redis = server.connect().await;
    enqueue(&mut redis, "n", WORKERS, TASKS).await;

    proxy.lose_replies(0.02);
    let fleet = Fleet::start(WORKERS, &[gateway.address]);
    fleet.settled(TASKS).await;
    let lost = proxy.lost();
    proxy.pass();

    assert!(lost > 0, "no answer was lost");
    let repeated = fleet.end(TASKS).await;
    println!("{lost} answers of Redis lost, {repeated} tasks begun again");
    assert_empty(&mut redis, "n", WORKERS).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_get_lost_and_no_line_is_lost_or_doubled() {
    const BATCHES: i64 = 200;
    const LINES: i64 = 10;
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let gateway = OnRedis::start(&proxy.url(), "n").await;
    let worker = gateway.worker("w");

    proxy.lose_replies(0.1);
    let mut failures = 0;
    for batch in 0..BATCHES {
        let lines = (0..LINES).map(|place| proto::LogEntry {
            run_id: "r".into(),
            log_type: "stdout".into(),
            content: "a line".into(),
            timestamp: "2026-11-22T12:00:00+00:00".into(),
            sequence: 1 + batch * LINES + place,
        });
        let lines: Vec<_> = lines.collect();
        // A worker sends again what was not taken.
        while worker.log(lines.clone()).await.is_err() {
            failures += 1;
        }
    }
    println!(
        "{} answers of Redis lost, {failures} calls failed",
        proxy.lost()
    );
    assert!(proxy.lost() > 0, "no answer was lost");

    let entries = server
        .command(&["XRANGE", "n:log:stream:r", "-", "+"])
        .await;
    let sequences = entries.array().iter().map(|entry| {
        let fields = entry.array()[1].texts();
        let at = fields.iter().position(|field| field == "sequence");
        fields[at.expect("has a sequence") + 1].clone()
    });
    let sequences: Vec<String> = sequences.collect();
    let expected = (1..=BATCHES * LINES).map(|sequence| sequence.to_string());
    let expected: Vec<String> = expected.collect();
    let pairs = sequences.iter().zip(&expected);
    let same = pairs.take_while(|(one, other)| one == other).count();
    let (found, total) = (&sequences[same..], sequences.len());
    assert!(
        sequences == expected,
        "{total} lines, and after the first {same} come {:?}",
        found.iter().take(25).collect::<Vec<_>>()
    );
    gateway.stop().await;
}
