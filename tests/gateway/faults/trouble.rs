//! Redis answers, but not as one would like.

use tokio::task::JoinSet;
use tonic::Code;

use super::fleet::enqueue;
use crate::support::servers::{RedisOptions, RedisServer, until};
use crate::support::{OnRedis, proto};

fn line() -> proto::LogEntry {
    proto::LogEntry {
        run_id: "t-0".into(),
        log_type: "stdout".into(),
        content: "x".repeat(1000),
        timestamp: String::new(),
        sequence: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_memory_takes_no_logs_but_lets_tasks_end() {
    let server = RedisServer::start().await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut redis = server.connect().await;
    enqueue(&mut redis, "n", 1, 2).await;
    let worker = gateway.worker("w-0");
    let (_, first) = worker.take().await;
    let (_, second) = worker.take().await;

    server.command(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    let refused = worker.log(vec![line()]).await.expect_err("is refused");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    worker.ack(&first, true).await.expect("is settled");
    let refused = worker.ack(&second, false).await;
    assert_eq!(refused.expect_err("is refused").code(), Code::Unavailable);

    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    worker.log(vec![line()]).await.expect("is taken");
    worker.ack(&second, false).await.expect("goes back");
    let (task, third) = worker.take().await;
    assert_eq!(task.task_id, "t-1");
    worker.ack(&third, true).await.expect("is settled");
    let left = server.command(&["XLEN", "n:task:ready:w-0"]).await.int();
    assert_eq!(left, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_connections_serve_many_who_wait() {
    const WORKERS: usize = 300;
    let server = RedisServer::start().await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut polls = JoinSet::new();
    for place in 0..WORKERS {
        let worker = gateway.worker(&format!("w-{place}"));
        let other = worker.clone();
        polls.spawn(async move { worker.poll(30_000).await.map(drop) });
        polls.spawn(async move { other.poll_control(30_000).await.map(drop) });
    }
    until("all wait", || async {
        let keys = server.command(&["KEYS", "n:task:ready:*"]).await;
        (keys.array().len() == WORKERS).then_some(())
    })
    .await;

    let clients = server.command(&["CLIENT", "LIST"]).await.text();
    // The one that asks is ours.
    let connections = clients.lines().count() - 1;
    assert!(connections <= 16, "{connections} connections");
    polls.shutdown().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_notifications_those_who_wait_are_woken_all_the_same() {
    const WORKERS: usize = 50;
    let server = RedisServer::start_with(RedisOptions {
        arguments: ["--rename-command", "CONFIG", ""].map(str::to_owned).into(),
        ..RedisOptions::default()
    })
    .await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut redis = server.connect().await;
    // A newcomer makes the streams be waited on anew, once they are: by an entry of our own.
    let newcomer = gateway.worker("newcomer");
    let own = until("it waits on the streams", || async {
        newcomer.poll(1).await.expect("polls");
        let own = server.command(&["KEYS", "n:gateway:probe:*"]).await;
        Some(own.texts()).filter(|own| own.len() > 1)
    })
    .await;
    for key in own {
        let left = server.command(&["PTTL", &key]).await.int();
        assert_ne!(left, -1, "{key} stays for ever");
    }

    // More than once, as the first may be found by a look.
    for round in 0..5 {
        let mut polls = JoinSet::new();
        for place in 0..WORKERS {
            let worker = gateway.worker(&format!("w-{place}"));
            polls.spawn(async move {
                let polled = worker.poll(30_000).await.expect("polls");
                worker.ack(&polled.receipt_id, true).await.expect("acks");
                polled.has_task
            });
        }
        enqueue(&mut redis, "n", WORKERS, WORKERS).await;
        while let Some(polled) = polls.join_next().await {
            assert!(polled.expect("does not panic"), "round {round}");
        }
    }
    gateway.stop().await;
}
