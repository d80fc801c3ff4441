//! What a worker hears when something of ours is out of order.

use std::sync::Arc;

use gateway_core::app::Ports;
use gateway_core::ports::{
    AuthError, ControlError, LimitError, LogError, MockAuthenticator, MockControlChannel,
    MockLimiter, MockLogSink, MockRunOwners, MockTaskQueue, MockWorkerRegistry, OwnerError,
    QueueError, Recall, RegistryError,
};
use tonic::{Code, Status};

use crate::support::{Gateway, Options, proto, task};

/// What a back end would say that must not be heard outside.
const SECRET: &str = "redis://:hunter2@10.1.2.3:6379 said no";

async fn with(replace: fn(&mut Ports)) -> Gateway {
    Gateway::start_with(Options {
        replace,
        ..Options::default()
    })
    .await
}

#[track_caller]
fn assert_outage(answer: Result<(), Status>) {
    let status = answer.expect_err("is an outage");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("temporarily"), "{status:?}");
    assert!(
        status.metadata().contains_key("grpc-retry-pushback-ms"),
        "{status:?}"
    );
    assert!(!format!("{status:?}").contains("hunter2"), "{status:?}");
}

#[tokio::test]
async fn a_queue_that_is_away_is_no_empty_queue() {
    let gateway = with(|ports| {
        let mut queue = MockTaskQueue::new();
        let away = || QueueError::Unavailable(SECRET.into());
        queue.expect_take().returning(move |_, _| Err(away()));
        queue.expect_settle().returning(move |_, _, _| Err(away()));
        queue.expect_note().returning(move |_, _| Err(away()));
        ports.task_queue = Arc::new(queue);
    })
    .await;
    let worker = gateway.worker("w-1");

    assert_outage(worker.poll(1).await.map(|_| ()));
    assert_outage(worker.ack("r", true).await);
    assert_outage(worker.register().await.map(|_| ()));
    gateway.stop().await;
}

#[tokio::test]
async fn an_authenticator_that_is_away_rejects_nobody() {
    let gateway = with(|ports| {
        let mut authenticator = MockAuthenticator::new();
        authenticator.expect_recall().returning(|_| Recall::Unknown);
        authenticator
            .expect_authenticate()
            .returning(|_| Err(AuthError::Unavailable(SECRET.into())));
        ports.authenticator = Arc::new(authenticator);
    })
    .await;

    assert_outage(gateway.worker("w-1").beat(0).await);
    assert_outage(gateway.worker("w-1").register().await.map(|_| ()));
    gateway.stop().await;
}

#[tokio::test]
async fn a_limiter_that_is_away_is_no_limit_exceeded() {
    let gateway = with(|ports| {
        let mut limiter = MockLimiter::new();
        limiter
            .expect_admit()
            .returning(|_, _| Err(LimitError::Unavailable(SECRET.into())));
        ports.limiter = Arc::new(limiter);
    })
    .await;

    assert_outage(gateway.worker("w-1").beat(0).await);
    gateway.stop().await;
}

#[tokio::test]
async fn logs_heartbeats_and_control_say_so_too() {
    let gateway = with(|ports| {
        let mut sink = MockLogSink::new();
        sink.expect_append()
            .returning(|_| Err(LogError::Unavailable(SECRET.into())));
        sink.expect_store()
            .returning(|_| Err(LogError::Unavailable(SECRET.into())));
        ports.log_sink = Arc::new(sink);
        let mut registry = MockWorkerRegistry::new();
        registry
            .expect_heartbeat()
            .returning(|_| Err(RegistryError::Unavailable(SECRET.into())));
        ports.worker_registry = Arc::new(registry);
        let mut channel = MockControlChannel::new();
        channel
            .expect_take()
            .returning(|_, _, _| Err(ControlError::Unavailable(SECRET.into())));
        channel
            .expect_settle()
            .returning(|_, _| Err(ControlError::Unavailable(SECRET.into())));
        channel
            .expect_reply()
            .returning(|_, _| Err(ControlError::Unavailable(SECRET.into())));
        ports.control_channel = Arc::new(channel);
    })
    .await;
    let worker = gateway.worker("w-1");

    let line = proto::LogEntry {
        run_id: "r".into(),
        ..Default::default()
    };
    let chunk = proto::SendLogChunkRequest {
        run_id: "r".into(),
        ..Default::default()
    };
    assert_outage(worker.log(vec![line]).await);
    assert_outage(worker.chunk(chunk).await.map(|_| ()));
    assert_outage(worker.beat(0).await);
    assert_outage(worker.poll_control(1).await.map(|_| ()));
    assert_outage(worker.ack_control("r").await);
    assert_outage(worker.reply("q", "").await);
    gateway.stop().await;
}

#[tokio::test]
async fn a_task_whose_run_cannot_be_assigned_goes_back_at_once() {
    let gateway = with(|ports| {
        let mut owners = MockRunOwners::new();
        let fails_once = || Err(OwnerError::Unavailable(SECRET.into()));
        owners
            .expect_assign()
            .times(1)
            .returning(move |_, _| fails_once());
        owners.expect_assign().returning(|_, _| Ok(()));
        ports.run_owners = Arc::new(owners);
    })
    .await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("t")).await;

    let failed = worker.poll(1).await.expect_err("is an outage");
    assert_eq!(failed.code(), Code::Unavailable);
    assert_eq!(worker.take().await.0.task_id, "t");
    gateway.stop().await;
}
