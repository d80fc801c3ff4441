//! Takes that are dropped at any moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::{Delivery, Verdict};
use gateway_core::ports::TaskQueue;
use rand::RngExt;
use tokio::sync::mpsc;

use super::super::{LONG, task, worker};
use super::Queues;

contract!(memory, memory_live, redis, guarded, cluster => {
    ten_thousand_dropped_takes_lose_nothing_and_double_nothing,
    a_dropped_take_does_not_keep_a_task_from_another,
});

const CANCELLATIONS: usize = 10_000;
const POLLERS: usize = 20;
const IN_FLIGHT: usize = 16;

async fn ten_thousand_dropped_takes_lose_nothing_and_double_nothing(bench: &impl Queues) {
    let workers = ["a", "b", "c"].map(worker);
    let dropped = Arc::new(AtomicUsize::new(0));
    let (got, mut deliveries) = mpsc::unbounded_channel();
    let pollers: Vec<_> = (0..POLLERS)
        .map(|place| Poller {
            queue: bench.queue(),
            worker: workers[place % workers.len()].clone(),
            dropped: dropped.clone(),
            got: got.clone(),
        })
        .map(|poller| tokio::spawn(poller.run()))
        .collect();

    // Tasks flow for as long as polls are dropped.
    let mut queued = 0;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    loop {
        let flowing = dropped.load(Ordering::Relaxed) < CANCELLATIONS;
        if flowing && queued - counts.len() < IN_FLIGHT {
            let to = &workers[queued % workers.len()];
            bench.enqueue(to, task(&format!("t-{queued}"))).await;
            queued += 1;
        } else if queued == counts.len() {
            break;
        } else {
            let wait = tokio::time::timeout(LONG, deliveries.recv());
            let delivery: Delivery = wait.await.expect("none is lost").expect("pollers live");
            assert_eq!(delivery.deliveries, 1, "{}", delivery.task.id);
            *counts.entry(delivery.task.id.to_string()).or_default() += 1;
        }
    }

    for poller in pollers {
        poller.abort();
    }
    assert!(counts.values().all(|count| *count == 1));
}

/// Somebody who polls and goes away in the middle of it, again and again.
struct Poller {
    queue: Arc<dyn TaskQueue>,
    worker: WorkerId,
    dropped: Arc<AtomicUsize>,
    got: mpsc::UnboundedSender<Delivery>,
}

impl Poller {
    async fn run(self) {
        loop {
            tokio::select! {
                // Whichever comes first wins, and when both come at once, either.
                taken = self.queue.take(&self.worker, LONG) => {
                    if let Some(delivery) = taken.expect("takes") {
                        self.settle(delivery).await;
                    }
                }
                () = a_moment() => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Says what it got, or now and then has gone away before the answer came.
    async fn settle(&self, delivery: Delivery) {
        let receipt = &delivery.receipt;
        if rand::rng().random_ratio(1, 4) {
            let released = self.queue.release(&self.worker, receipt).await;
            released.expect("releases");
            return;
        }
        let settled = self
            .queue
            .settle(&self.worker, receipt, Verdict::Done)
            .await;
        settled.expect("settles");
        let _test_over = self.got.send(delivery);
    }
}

/// Some turns of the runtime, or a little longer.
async fn a_moment() {
    let turns = rand::rng().random_range(0..8);
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    if turns == 7 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn a_dropped_take_does_not_keep_a_task_from_another(bench: &impl Queues) {
    let w = worker("w");
    for round in 0..100 {
        let polls: [_; 3] = std::array::from_fn(|_| {
            let (queue, w) = (bench.queue(), w.clone());
            tokio::spawn(async move { queue.take(&w, LONG).await.expect("takes") })
        });
        let [first, second, third] = polls;
        tokio::task::yield_now().await;
        bench.enqueue(&w, task(&format!("t-{round}"))).await;
        first.abort();
        second.abort();

        // One that was dropped too late has the task; else the third one has.
        let got = [first.await.ok(), second.await.ok()];
        if got.iter().flatten().flatten().next().is_some() {
            third.abort();
            let nothing = third.await.ok().flatten();
            assert_eq!(nothing, None, "round {round}");
            continue;
        }
        let taken = third.await.expect("does not panic");
        assert!(taken.is_some(), "round {round}");
    }
}
