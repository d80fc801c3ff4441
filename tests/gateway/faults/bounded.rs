//! What a gateway takes of the machine while Redis is away.

use std::fs;

use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::redis_away::probe;
use super::trial::line;
use crate::support::servers::{RedisServer, until};
use crate::support::{Program, Worker};

/// Workers, and how often each polls, logs and beats in vain.
const WORKERS: usize = 100;
const ROUNDS: usize = 20;

/// By how much it may grow, in KiB.
const GROWTH: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn memory_stays_bounded_while_redis_is_away() {
    let server = RedisServer::start().await;
    let url = server.url();
    let mut program = Program::start(&[
        ("REDIS_URL", &url),
        ("REDIS_NAMESPACE", "n"),
        ("AUTH_ENABLED", "false"),
        ("RATE_LIMIT_ENABLED", "false"),
        ("LOG_LEVEL", "INFO"),
    ])
    .await;
    let workers: Vec<_> = (0..WORKERS)
        .map(|place| Worker::new(program.grpc, &format!("w-{place}"), None))
        .collect();
    // What it needs for so many connections and calls is no growth.
    for answer in call_all(&workers).await {
        answer.expect("is served");
    }
    let before = resident(&program);

    server.kill();
    program.logged("Redis is away").await;
    for _ in 0..ROUNDS {
        for answer in call_all(&workers).await {
            let refused = answer.expect_err("is no answer");
            assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        }
    }
    let grown = resident(&program).saturating_sub(before);
    println!("{before} KiB before, {grown} KiB more while Redis was away");
    assert!(grown < GROWTH, "{grown} KiB more");
    assert_eq!(probe(&program, "/healthz").await.0, 200);
    assert_eq!(probe(&program, "/readyz").await.0, 503);

    server.restart().await;
    until("it is ready", || async {
        (probe(&program, "/readyz").await.0 == 200).then_some(())
    })
    .await;
    for answer in call_all(&workers).await {
        answer.expect("is served");
    }
    program.signal("TERM");
    let (status, log) = program.end().await;
    assert!(status.success(), "{status}: {log}");
    for said in ["Redis is away", "gives no answer"] {
        assert!(!log.contains(said), "it was said before: {log}");
    }
}

/// Each of them polls, logs and says that it lives, all at once.
async fn call_all(workers: &[Worker]) -> Vec<Result<(), Status>> {
    let mut calls = JoinSet::new();
    for worker in workers {
        let (polls, logs, beats) = (worker.clone(), worker.clone(), worker.clone());
        calls.spawn(async move { polls.poll(100).await.map(drop) });
        calls.spawn(async move { beats.beat(0).await });
        let run = format!("r-{}", logs.id);
        let lines = (1..50).map(move |sequence| crate::support::proto::LogEntry {
            run_id: run.clone(),
            content: "x".repeat(1000),
            ..line(sequence)
        });
        calls.spawn(async move { logs.log(lines.collect()).await });
    }
    calls.join_all().await
}

/// The memory that it has, in KiB.
fn resident(program: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid()));
    let status = status.expect("is a process");
    let resident = status.lines().find_map(|line| {
        let size = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
        size.parse().ok()
    });
    resident.expect("says how much")
}
