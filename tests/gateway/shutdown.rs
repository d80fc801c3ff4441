//! How the gateway leaves.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Gateway, Options, Worker, proto, task};

#[tokio::test]
async fn polls_that_wait_end_at_once_without_a_task() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let polls = tokio::spawn({
        let worker = worker.clone();
        async move { tokio::join!(worker.poll(60_000), worker.poll_control(60_000)) }
    });
    until_it_waits(&worker).await;

    gateway.stop().await;
    // They would wait twice as long by themselves.
    let polls = timeout(Duration::from_secs(30), polls).await;
    let (polled, control) = polls.expect("end at once").expect("does not panic");
    assert!(!polled.expect("is answered").has_task);
    assert!(!control.expect("is answered").has_control);
}

#[tokio::test]
async fn live_channels_are_told() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let silence = tokio_stream::pending::<proto::WorkerMessage>();
    let opened = worker.client().worker_stream(worker.request(silence)).await;
    let mut down = opened.expect("is opened").into_inner();

    gateway.stop().await;
    let told = down.message().await.expect_err("is told");
    assert_eq!(told.code(), Code::Unavailable);
    assert!(told.message().contains("stopping"), "{told:?}");
}

#[tokio::test]
async fn health_turns_to_not_serving_before_the_door_is_shut() {
    let gateway = Gateway::start().await;
    let address = format!("http://{}", gateway.address);
    let channel = Endpoint::from_shared(address)
        .expect("is a URI")
        .connect_lazy();
    let mut health = HealthClient::new(channel);
    let request = HealthCheckRequest::default();
    let watch = health.watch(request).await.expect("watches");
    let mut statuses = watch
        .into_inner()
        .map(|status| status.map(|status| status.status()));

    let serving = statuses.next().await.expect("says").expect("says");
    assert_eq!(serving, ServingStatus::Serving);
    let stopped = tokio::spawn(gateway.stop());
    let then = statuses.next().await.expect("says").expect("says");
    assert_eq!(then, ServingStatus::NotServing);
    stopped.await.expect("does not panic");
}

#[tokio::test]
async fn peers_that_say_nothing_do_not_hold_it_up() {
    let gateway = Gateway::start_with(Options {
        grace: Duration::from_hours(1),
        ..Options::default()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(TcpStream::connect(gateway.address).await.expect("connects"));
    }
    gateway
        .worker("w-1")
        .beat(0)
        .await
        .expect("is served beside them");

    // With a grace of an hour, only a gateway that does not wait for them gets here.
    gateway.stop().await;
    drop(silent);
}

#[tokio::test]
async fn a_task_is_not_handed_out_once_it_leaves() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let poll = tokio::spawn({
        let worker = worker.clone();
        async move { worker.poll(60_000).await }
    });
    until_it_waits(&worker).await;

    gateway.begin_stop();
    let polled = poll.await.expect("does not panic").expect("is answered");
    assert!(!polled.has_task);
    gateway.enqueue("w-1", task("t")).await;
    gateway.stop().await;
}

/// Waits until the gateway waits with the call that was spawned before. That one is sent while the
/// first of these is awaited, so the second comes behind it on the same connection.
async fn until_it_waits(worker: &Worker) {
    for _ in 0..2 {
        worker.beat(0).await.expect("is served");
    }
}
