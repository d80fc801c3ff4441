//! Polls whose caller goes away.

use std::collections::HashSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use gateway_core::domain::control::{Command, Recipient};
use gateway_core::domain::task::Patience;
use gateway_core::ports::Master as _;

use crate::support::{Gateway, Options, Worker, task, worker_id};

/// What goes into one window of a connection, in bytes, and what does not.
const WINDOW: u32 = 16 * 1024;
const LARGE: usize = 4 * 1024 * 1024;

#[tokio::test]
async fn a_poll_given_up_while_it_waits_takes_nothing() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let poll = tokio::spawn({
        let worker = worker.clone();
        async move { worker.poll(60_000).await }
    });
    // Sent before the second of these, it waits by the time that one is answered.
    for _ in 0..2 {
        worker.beat(0).await.expect("is served");
    }

    poll.abort();
    poll.await.expect_err("is aborted");
    // On the same connection, so that the gateway has heard of the one before the other.
    worker.beat(0).await.expect("is served");
    gateway.enqueue("w-1", task("t")).await;
    let (dispatch, _) = gateway.worker("w-1").take().await;
    assert_eq!(dispatch.task_id, "t");
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_never_read_gives_its_task_back_uncounted() {
    let gateway = Gateway::start_with(Options {
        patience: Patience {
            max_deliveries: 1,
            ..Patience::default()
        },
        ..Options::default()
    })
    .await;
    let mut large = task("t");
    large.params = [("blob".to_owned(), "x".repeat(LARGE))].into();
    gateway.enqueue("w-1", large).await;

    for _ in 0..3 {
        let unread = gateway.worker("w-1").with_window(WINDOW).begin_poll().await;
        // More of it than one window holds is still with the gateway.
        drop(unread);
    }
    let (dispatch, receipt) = gateway.worker("w-1").take().await;
    assert_eq!(dispatch.params["blob"].len(), LARGE);
    gateway
        .worker("w-1")
        .ack(&receipt, true)
        .await
        .expect("acks");
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_never_read_gives_its_command_back() {
    let gateway = Gateway::start().await;
    let large = Command::Configure([("blob".to_owned(), "x".repeat(LARGE))].into());
    let to = Recipient::Worker(worker_id("w-1"));
    gateway
        .backend
        .master
        .send(&to, large)
        .await
        .expect("is sent");

    let worker = gateway.worker("w-1").with_window(WINDOW);
    drop(worker.begin_poll_control().await);
    // Half as long as its lease, after which it would come again in any case.
    let polled = gateway.worker("w-1").poll_control(30_000).await;
    assert!(polled.expect("polls").has_control);
    gateway.stop().await;
}

/// Polls of each of the workers.
const POLLS: u32 = 1_000;
const WORKERS: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_polls_given_up_at_any_moment_lose_nothing() {
    let names: Vec<String> = (0..WORKERS).map(|n| format!("w-{n}")).collect();
    let gateway = Gateway::start_with(Options {
        workers: names.clone(),
        // How fast polls that were given up are noticed is not what this is about.
        adjust: |port| port.max_polls_per_worker = 1_000,
        ..Options::default()
    })
    .await;

    let mut pollers = JoinSet::new();
    for (seed, name) in (0..).zip(&names) {
        pollers.spawn(poll_and_give_up(gateway.worker(name), seed));
    }
    let mut sent = HashSet::new();
    for round in 0..POLLS / 2 {
        for name in &names {
            let id = format!("{name}-t-{round}");
            gateway.enqueue(name, task(&id)).await;
            sent.insert(id);
        }
        tokio::task::yield_now().await;
    }
    let mut received = Vec::new();
    while let Some(polled) = pollers.join_next().await {
        received.extend(polled.expect("does not panic"));
    }
    for name in &names {
        received.extend(drain(&gateway.worker(name)).await);
    }

    let unique: HashSet<String> = received.iter().cloned().collect();
    assert_eq!(unique.len(), received.len(), "some were handed out twice");
    assert_eq!(unique, sent);
    gateway.stop().await;
}

/// Polls, giving up each time after a moment of no particular length; the tasks it got.
async fn poll_and_give_up(worker: Worker, seed: u64) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut received = Vec::new();
    for _ in 0..POLLS {
        let patience = Duration::from_micros(random.random_range(0..3_000));
        if let Ok(polled) = timeout(patience, worker.poll(5_000)).await {
            let polled = polled.expect("polls");
            if let Some(task) = polled.task {
                worker.ack(&polled.receipt_id, true).await.expect("acks");
                received.push(task.task_id);
            }
        }
    }
    received
}

/// Takes all that is left. What was on the wire when its poll was given up is held by the worker;
/// a worker that starts anew has it back.
async fn drain(worker: &Worker) -> Vec<String> {
    worker.register().await.expect("registers");
    let mut received = Vec::new();
    loop {
        let polled = worker.poll(300).await.expect("polls");
        let Some(task) = polled.task else {
            return received;
        };
        worker.ack(&polled.receipt_id, true).await.expect("acks");
        received.push(task.task_id);
    }
}
