use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::support::Worker;
use crate::support::servers::Connection;

/// As long as any of these tests may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long a poll of theirs waits, in ms.
const POLL_MS: i32 = 1000;

/// Workers as they are in the field: they poll, run, report and acknowledge, and go on after any
/// trouble, at whichever gateway answers.
pub(super) struct Fleet {
    book: Arc<Book>,
    workers: JoinSet<()>,
}

/// What happened.
pub(super) struct Book {
    state: Mutex<State>,
    settled: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// How many times each task was begun.
    begun: BTreeMap<String, u32>,
    settled: BTreeSet<String>,
    /// How many calls failed, by code.
    failures: BTreeMap<String, u32>,
}

impl Fleet {
    /// Lets workers `w-0`, `w-1` … loose on `gateways`.
    pub(super) fn start(count: usize, gateways: &[SocketAddr]) -> Self {
        let book = Arc::new(Book {
            state: Mutex::default(),
            settled: watch::Sender::new(0),
        });
        let mut workers = JoinSet::new();
        for place in 0..count {
            let id = format!("w-{place}");
            let doors = gateways
                .iter()
                .map(|address| Worker::new(*address, &id, None));
            let hand = Hand {
                doors: doors.collect(),
                door: place,
                book: book.clone(),
            };
            workers.spawn(hand.work());
        }
        Self { book, workers }
    }

    /// Waits until so many tasks are settled.
    pub(super) async fn settled(&self, count: usize) {
        let mut settled = self.book.settled.subscribe();
        let enough = settled.wait_for(|settled| *settled >= count);
        if timeout(PATIENCE, enough).await.is_err() {
            let state = self.book.state();
            panic!(
                "{} of {count} tasks were settled, {} begun; failures: {:?}",
                state.settled.len(),
                state.begun.len(),
                state.failures
            );
        }
    }

    /// Ends all, and tells what was begun more than once, beyond what was asked for.
    pub(super) async fn end(mut self, tasks: usize) -> u32 {
        self.workers.shutdown().await;
        let state = self.book.state();
        assert_eq!(state.settled.len(), tasks, "tasks nobody ever queued");
        let repeated = state.begun.values().map(|times| times - 1).sum();
        println!(
            "{tasks} tasks, 0 lost, {repeated} begun again; failed calls: {:?}",
            state.failures
        );
        repeated
    }

    /// How many calls failed.
    pub(super) fn failures(&self) -> u32 {
        self.book.state().failures.values().sum()
    }
}

impl Book {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_begun(&self, task: &str) {
        *self.state().begun.entry(task.to_owned()).or_default() += 1;
    }

    fn note_settled(&self, task: String) {
        let mut state = self.state();
        state.settled.insert(task);
        self.settled.send_replace(state.settled.len());
    }

    fn note_failure(&self, status: &Status) {
        // What else can go wrong is nobody's fault but ours.
        let passing = matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
        );
        assert!(passing, "{status:?}");
        let code = format!("{:?}", status.code());
        *self.state().failures.entry(code).or_default() += 1;
    }
}

/// One of them.
struct Hand {
    doors: Vec<Worker>,
    door: usize,
    book: Arc<Book>,
}

impl Hand {
    async fn work(mut self) {
        loop {
            match self.worker().poll(POLL_MS).await {
                Ok(polled) => match polled.task {
                    Some(task) => {
                        self.run(task.task_id, &task.run_id, &polled.receipt_id)
                            .await;
                    }
                    None => self.say_idle().await,
                },
                Err(status) => {
                    self.pause(&status).await;
                    self.say_idle().await;
                }
            }
        }
    }

    async fn run(&mut self, task: String, run: &str, receipt: &str) {
        self.book.note_begun(&task);
        while let Err(status) = self.worker().report(run, "success").await {
            self.pause(&status).await;
        }
        while let Err(status) = self.worker().ack(receipt, true).await {
            self.pause(&status).await;
        }
        self.book.note_settled(task);
    }

    /// What tells the gateway that a task whose answer was lost is not being run.
    async fn say_idle(&mut self) {
        if let Err(status) = self.worker().beat(0).await {
            self.pause(&status).await;
        }
    }

    fn worker(&self) -> &Worker {
        &self.doors[self.door % self.doors.len()]
    }

    /// As the field's worker does after a failure, but sooner: it waits a little and tries another.
    async fn pause(&mut self, status: &Status) {
        self.book.note_failure(status);
        self.door += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Queues `tasks` tasks for `workers` workers in turn, as the Master does.
pub(super) async fn enqueue(redis: &mut Connection, namespace: &str, workers: usize, tasks: usize) {
    const AT_ONCE: usize = 500;
    for begin in (0..tasks).step_by(AT_ONCE) {
        let some = begin..tasks.min(begin + AT_ONCE);
        for number in some.clone() {
            let stream = format!("{namespace}:task:ready:w-{}", number % workers);
            let task = format!("t-{number}");
            let entry = ["XADD", &stream, "*", "task_id", &task, "run_id", &task];
            redis.send(&entry).await.expect("sends");
        }
        for _ in some {
            let reply = redis.receive().await.expect("answers");
            assert_eq!(reply.error(), None);
        }
    }
}

/// Nothing waits and nothing is held any more.
pub(super) async fn assert_empty(redis: &mut Connection, namespace: &str, workers: usize) {
    for place in 0..workers {
        let stream = format!("{namespace}:task:ready:w-{place}");
        let left = redis.call(&["XLEN", &stream]).await.expect("answers").int();
        assert_eq!(left, 0, "{stream}");
    }
    let dead = format!("{namespace}:gateway:dead");
    let dead = redis.call(&["XLEN", &dead]).await.expect("answers").int();
    assert_eq!(dead, 0, "dead letters");
}
