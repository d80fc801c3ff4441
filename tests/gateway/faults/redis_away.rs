//! Redis is away, or as good as.

use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::fleet::{Fleet, assert_empty, enqueue};
use super::{SOME_TASKS as TASKS, WORKERS};
use crate::support::servers::{RedisServer, until};
use crate::support::{OnRedis, Program};

#[tokio::test(flavor = "multi_thread")]
async fn redis_stands_still_for_a_while() {
    let server = RedisServer::start().await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut redis = server.connect().await;
    enqueue(&mut redis, "n", WORKERS, TASKS).await;
    let fleet = Fleet::start(WORKERS, &[gateway.address]);

    for half in [TASKS / 4, TASKS / 2] {
        fleet.settled(half).await;
        server.pause();
        gateway.wait_for_outage().await;
        server.resume();
        gateway.wait_for_redis().await;
    }
    fleet.settled(TASKS).await;

    fleet.end(TASKS).await;
    assert_empty(&mut redis, "n", WORKERS).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_as_one_and_never_as_no_task() {
    let server = RedisServer::start().await;
    let gateway = OnRedis::start(&server.url(), "n").await;
    let mut polls = JoinSet::new();
    for place in 0..WORKERS {
        let worker = gateway.worker(&format!("w-{place}"));
        polls.spawn(async move { worker.poll(20_000).await });
    }
    until("all wait", || async {
        let keys = server.command(&["KEYS", "n:task:ready:*"]).await;
        (keys.array().len() == WORKERS).then_some(())
    })
    .await;
    server.kill();
    gateway.wait_for_outage().await;

    while let Some(polled) = polls.join_next().await {
        let refused = polled.expect("does not panic").expect_err("is no answer");
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    }
    let worker = gateway.worker("w");
    let refused = worker.poll(1000).await.expect_err("is refused");
    assert_eq!(refused.code(), Code::Unavailable);
    let retry = refused.get_details_retry_info().expect("says when");
    assert!(retry.retry_delay <= Some(Duration::from_secs(2)));
    assert!(!refused.message().contains("127.0.0.1"), "{refused:?}");

    server.restart().await;
    gateway.wait_for_redis().await;
    assert!(!worker.poll(1).await.expect("is served").has_task);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_yet_does_not_stop_the_start() {
    let server = RedisServer::start().await;
    server.kill();
    let url = server.url();
    let mut program = Program::start(&[
        ("REDIS_URL", url.as_str()),
        ("AUTH_ENABLED", "false"),
        ("LOG_LEVEL", "INFO"),
    ])
    .await;
    let (status, body) = probe(&program, "/readyz").await;
    assert_eq!(status, 503, "{body}");
    assert_eq!(probe(&program, "/healthz").await.0, 200);

    server.restart().await;
    program.logged("Redis answers").await;
    until("it is ready", || async {
        (probe(&program, "/readyz").await.0 == 200).then_some(())
    })
    .await;
    let worker = crate::support::Worker::new(program.grpc, "w", None);
    worker.poll(1).await.expect("is served");
    program.stop().await;
}

/// What the operator's port answers.
pub(super) async fn probe(program: &Program, path: &str) -> (u16, String) {
    let url = format!("http://{}{path}", program.admin);
    let asked = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .build()
            .into();
        let mut answer = agent.get(url).call().expect("answers");
        let body = answer.body_mut().read_to_string().expect("is text");
        (answer.status().as_u16(), body)
    });
    asked.await.expect("does not panic")
}
