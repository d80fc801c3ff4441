use std::time::Duration;

use gateway_core::domain::control::{Command, Recipient};
use gateway_core::domain::limit::Limits;
use gateway_core::ports::Master as _;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::{assert_refused, limiter, rate, trips};
use crate::support::{Gateway, Options, Worker, proto, worker_id};
use proto::master_message::Payload as Down;

/// T27: what a worker says on its live channel counts. It is slowed down, and not cut off.
#[tokio::test]
async fn a_live_channel_over_the_limit_waits_and_stays_open() {
    let gateway = Gateway::start_with(Options {
        limiter: limiter(Limits::even(rate(0.01, 3))),
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");
    let heartbeat = |version: &str| proto::WorkerMessage {
        payload: Some(proto::worker_message::Payload::Heartbeat(
            proto::Heartbeat {
                version: version.into(),
                ..Default::default()
            },
        )),
    };
    let said = (1..=10).map(|count| heartbeat(&count.to_string()));
    let said: Vec<_> = said.collect();
    let messages = tokio_stream::iter(said).chain(tokio_stream::pending());
    let request = worker.request(messages);
    let opened = worker.client().worker_stream(request).await;
    let mut heard = opened.expect("is opened").into_inner();

    // Opening it was one call, and two heartbeats are two more.
    while trips(&gateway) == 0 {
        tokio::task::yield_now().await;
    }
    let workers = gateway.backend.master.workers().await.expect("lists");
    let versions: Vec<_> = workers.iter().map(|view| view.version.clone()).collect();
    assert_eq!(versions, ["2"]);
    assert_refused(worker.beat(0).await);

    let settings = Command::Configure([("a".to_owned(), "1".to_owned())].into());
    let to = Recipient::Worker(worker_id("w-1"));
    let sent = gateway.backend.master.send(&to, settings).await;
    sent.expect("is sent");
    let message = heard.message().await.expect("is open").expect("is open");
    assert!(matches!(message.payload, Some(Down::ConfigUpdate(_))));
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_held_back_is_taken_in_later() {
    let gateway = Gateway::start_with(Options {
        limiter: limiter(Limits::even(rate(50.0, 2))),
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");
    let heartbeat = proto::Heartbeat {
        version: "last".into(),
        ..Default::default()
    };
    let mut said = vec![proto::WorkerMessage { payload: None }; 9];
    said.push(proto::WorkerMessage {
        payload: Some(proto::worker_message::Payload::Heartbeat(heartbeat)),
    });
    let request = worker.request(tokio_stream::iter(said));
    let opened = worker.client().worker_stream(request).await;
    let mut heard = opened.expect("is opened").into_inner();

    // The channel ends when the last of it was taken in.
    while heard.message().await.expect("is not cut off").is_some() {}
    let workers = gateway.backend.master.workers().await.expect("lists");
    assert_eq!(workers[0].version, "last");
    assert_eq!(trips(&gateway), 1);
    gateway.stop().await;
}

/// A live channel, and what keeps it open.
type Open = (
    mpsc::Sender<proto::WorkerMessage>,
    Streaming<proto::MasterMessage>,
);

async fn opened(worker: &Worker) -> Result<Open, Status> {
    let (up, said) = mpsc::channel(1);
    let request = worker.request(ReceiverStream::new(said));
    let opened = worker.client().worker_stream(request).await?;
    Ok((up, opened.into_inner()))
}

/// T27: each live channel waits for commands, so a worker has as few of them as of polls.
#[tokio::test]
async fn a_fifth_live_channel_is_refused() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(opened(&worker).await.expect("is opened"));
    }

    assert_refused(opened(&worker).await);
    worker.poll_control(1).await.expect("is of another kind");
    let other = gateway.worker("w-2");
    opened(&other).await.expect("is another's");
    open.pop();
    while opened(&worker).await.is_err() {}
    gateway.stop().await;
}

/// T27: a message that is refused again and again is no sign of life.
#[tokio::test]
async fn a_channel_that_stays_over_its_limit_is_ended() {
    let gateway = Gateway::start_with(Options {
        replace: |ports| {
            let mut limiter = gateway_core::ports::MockLimiter::new();
            let mut calls = 0;
            limiter.expect_admit().returning(move |_, _| {
                calls += 1;
                // The first opens the channel.
                if calls == 1 {
                    return Ok(());
                }
                let wait = Duration::from_millis(20);
                Err(gateway_core::ports::LimitError::Exceeded {
                    retry_after: wait,
                    full_after: wait,
                })
            });
            ports.limiter = std::sync::Arc::new(limiter);
        },
        adjust: |port| port.heartbeat_timeout = Duration::from_millis(300),
        ..Options::default()
    })
    .await;
    let channel = opened(&gateway.worker("w-1")).await;
    let (up, mut heard) = channel.expect("is opened");
    let nothing = proto::WorkerMessage { payload: None };
    up.send(nothing).await.expect("is open");

    let end = tokio::time::timeout(Duration::from_secs(30), heard.message()).await;
    let end = end.expect("is not held for ever").expect_err("is ended");
    assert_eq!(end.code(), Code::ResourceExhausted);
    gateway.stop().await;
}
