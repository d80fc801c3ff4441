//! Workers that give up waiting, at any moment.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::fleet::assert_empty;
use crate::support::servers::{Connection, LONG, RedisServer};
use crate::support::{OnRedis, Worker};

/// Workers, how often each polls, and how many tasks come to each meanwhile.
const WORKERS: usize = 20;
const POLLS: usize = 500;
const TASKS: usize = POLLS / 2;

/// What became of the polls of one worker.
#[derive(Default)]
struct Polled {
    /// The tasks that it got, each time it got one.
    received: Vec<String>,
    given_up: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_polls_given_up_at_any_moment_lose_nothing() {
    let server = RedisServer::start().await;
    let gateway = OnRedis::start(&server.url(), "n").await;

    let mut workers = JoinSet::new();
    for place in 0..WORKERS {
        let worker = gateway.worker(&format!("w-{place}"));
        let mut redis = server.connect().await;
        workers.spawn(async move {
            let mut polled = poll_and_give_up(&worker, &mut redis, place).await;
            let outstanding = TASKS - polled.received.len();
            polled.received.extend(drain(&worker, outstanding).await);
            polled
        });
    }
    let mut all = Polled::default();
    while let Some(polled) = workers.join_next().await {
        let polled = polled.expect("does not panic");
        all.received.extend(polled.received);
        all.given_up += polled.given_up;
    }

    let different: BTreeSet<_> = all.received.iter().collect();
    assert_eq!(different.len(), WORKERS * TASKS, "some were lost");
    assert_eq!(
        all.received.len(),
        different.len(),
        "some came again though they were settled"
    );
    println!("{} of {} polls given up", all.given_up, WORKERS * POLLS);
    assert!(all.given_up > WORKERS * POLLS / 10);
    let mut redis = server.connect().await;
    assert_empty(&mut redis, "n", WORKERS).await;
    assert_nothing_is_held(&mut redis).await;
    gateway.stop().await;
}

/// Polls, giving up each time after a moment of no particular length. With every other poll a task
/// comes, just before or just after.
async fn poll_and_give_up(worker: &Worker, redis: &mut Connection, seed: usize) -> Polled {
    let mut random = StdRng::seed_from_u64(u64::try_from(seed).expect("is a small number"));
    let mut polled = Polled::default();
    let stream = format!("n:task:ready:{}", worker.id);
    for round in 0..POLLS {
        let mut moment = |most| Duration::from_micros(random.random_range(0..most));
        let (patience, pause) = (moment(20_000), moment(10_000));
        let polls = timeout(patience, worker.poll(60_000));
        let comes = async {
            if round % 2 == 0 {
                tokio::time::sleep(pause).await;
                let task = format!("{}-{round}", worker.id);
                let entry = ["XADD", &stream, "*", "task_id", &task, "run_id", &task];
                let added = redis.call(&entry).await.expect("answers");
                assert_eq!(added.error(), None);
            }
        };
        let (answer, ()) = tokio::join!(polls, comes);
        let Ok(answer) = answer else {
            polled.given_up += 1;
            continue;
        };
        let answer = answer.expect("is served");
        let task = answer.task.expect("did not wait for long").task_id;
        let acked = worker.ack(&answer.receipt_id, true).await;
        acked.expect("is settled");
        polled.received.push(task);
    }
    polled
}

/// Takes what is left, so many tasks. What was on the wire when its poll was given up is in the
/// worker's hands; it says that it runs nothing, as it does in the field, and has it back.
async fn drain(worker: &Worker, outstanding: usize) -> Vec<String> {
    let mut received = Vec::new();
    while received.len() < outstanding {
        // On a machine that is busy most polls are given up, and most tasks are left for here.
        let Ok(task) = timeout(LONG, next(worker)).await else {
            panic!("{} got {received:?}", worker.id);
        };
        received.push(task);
    }
    received
}

/// Takes a task, however often it has to ask.
async fn next(worker: &Worker) -> String {
    loop {
        worker.beat(0).await.expect("is taken");
        let answer = worker.poll(200).await.expect("is served");
        if let Some(task) = answer.task {
            let acked = worker.ack(&answer.receipt_id, true).await;
            acked.expect("is settled");
            return task.task_id;
        }
    }
}

/// No entry is in anybody's hands.
async fn assert_nothing_is_held(redis: &mut Connection) {
    for place in 0..WORKERS {
        let stream = format!("n:task:ready:w-{place}");
        let held = redis.call(&["XPENDING", &stream, "n-workers"]).await;
        assert_eq!(held.expect("answers").array()[0].int(), 0, "{stream}");
    }
}
