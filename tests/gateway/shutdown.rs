//! How the gateway leaves.

use std::time::Duration;

use gateway_adapters::inbound::grpc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::Endpoint;
use tonic::{Code, Status};
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
    let mut statuses = watched(&gateway).await;

    let serving = statuses.next().await.expect("says").expect("says");
    assert_eq!(serving, ServingStatus::Serving);
    let stopped = tokio::spawn(gateway.stop());
    let then = statuses.next().await.expect("says").expect("says");
    assert_eq!(then, ServingStatus::NotServing);
    stopped.await.expect("does not panic");
}

/// A client of the health service, and what it hears.
async fn watched(gateway: &Gateway) -> impl Stream<Item = Result<ServingStatus, Status>> + use<> {
    let address = format!("http://{}", gateway.address);
    let channel = Endpoint::from_shared(address).expect("is a URI");
    let mut health = HealthClient::new(channel.connect_lazy());
    let request = HealthCheckRequest::default();
    let watch = health.watch(request).await.expect("watches");
    let statuses = watch.into_inner();
    statuses.map(|status| status.map(|status| status.status()))
}

async fn delayed(delay: fn(&mut grpc::Settings)) -> Gateway {
    Gateway::start_with(Options {
        adjust: delay,
        ..Options::default()
    })
    .await
}

// R16: a load balancer has until then to notice.
#[tokio::test]
async fn it_serves_on_for_as_long_as_its_going_is_announced() {
    let gateway = delayed(|settings| settings.drain_delay = Duration::from_hours(1)).await;
    let mut statuses = watched(&gateway).await;
    let worker = gateway.worker("w-1");
    worker.beat(0).await.expect("is served before");
    statuses.next().await.expect("says").expect("says");

    gateway.begin_stop();
    let then = statuses.next().await.expect("says").expect("says");
    assert_eq!(then, ServingStatus::NotServing);
    worker.beat(0).await.expect("is served on");
    let newcomer = gateway.worker("w-2").beat(0).await;
    newcomer.expect("gets in as before");
}

#[tokio::test]
async fn it_leaves_once_its_going_was_announced_for_long_enough() {
    let gateway = delayed(|settings| settings.drain_delay = Duration::from_millis(300)).await;
    let mut statuses = watched(&gateway).await;
    let worker = gateway.worker("w-1");
    worker.beat(0).await.expect("is served before");
    statuses.next().await.expect("says").expect("says");
    let address = gateway.address;

    gateway.stop().await;
    let then = statuses.next().await.expect("says").expect("says");
    assert_eq!(then, ServingStatus::NotServing);
    let told = statuses.next().await.expect("says").expect_err("ends");
    assert_eq!(told.code(), Code::Unavailable);
    let closed = TcpStream::connect(address).await;
    closed.expect_err("finds the door shut");
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
