//! The contract of `TaskQueue`.

mod cancellation;
mod redelivery;
mod settling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::{DeadLetter, Delivery, Task};
use gateway_core::ports::TaskQueue;

use super::{LONG, NOW, in_time, task, worker};

/// A backend with a queue.
pub(super) trait Queues {
    fn queue(&self) -> Arc<dyn TaskQueue>;

    /// Queues `task`, as a scheduler does.
    async fn enqueue(&self, worker: &WorkerId, task: Task);

    /// What was given up, the oldest first.
    async fn dead(&self) -> Vec<DeadLetter>;

    /// How long it waits for a worker.
    fn terms(&self) -> Terms;
}

/// How long a backend waits for a worker.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) heartbeat_interval: Duration,
    pub(super) heartbeat_timeout: Duration,
    pub(super) lease_grace: Duration,
}

contract!(memory, memory_live, redis, guarded, cluster => {
    a_queue_is_its_workers_own,
    tasks_come_in_the_order_they_were_queued,
    a_task_arrives_whole,
    none_is_the_answer_when_the_wait_is_over,
    whoever_waits_gets_a_task_the_moment_it_comes,
    a_task_goes_to_one_of_those_who_wait,
    what_is_taken_is_not_offered_to_another_take,
    the_delivery_of_a_task_is_found_by_its_name,
});

/// The next task of `from`, if there is one now.
async fn look(queue: &dyn TaskQueue, from: &WorkerId) -> Option<Delivery> {
    queue.take(from, NOW).await.expect("looks")
}

/// The next task of `from`, which will come.
async fn next(queue: &dyn TaskQueue, from: &WorkerId) -> Delivery {
    let taken = in_time(queue.take(from, LONG)).await.expect("takes");
    taken.expect("something comes")
}

/// The name of the next task of `from`; `-` if there is none now.
async fn next_name(queue: &dyn TaskQueue, from: &WorkerId) -> String {
    let delivery = look(queue, from).await;
    delivery.map_or("-".to_owned(), |delivery| delivery.task.id.to_string())
}

async fn enqueue_all(bench: &impl Queues, to: &WorkerId, tasks: &[&str]) {
    for id in tasks {
        bench.enqueue(to, task(id)).await;
    }
}

async fn a_queue_is_its_workers_own(bench: &impl Queues) {
    let (queue, a, b) = (bench.queue(), worker("a"), worker("b"));
    enqueue_all(bench, &a, &["t"]).await;

    assert_eq!(next_name(&*queue, &b).await, "-");
    assert_eq!(next_name(&*queue, &a).await, "t");
}

async fn tasks_come_in_the_order_they_were_queued(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    let urgent = Task {
        priority: 9,
        ..task("t-2")
    };
    bench.enqueue(&w, task("t-1")).await;
    bench.enqueue(&w, urgent).await;
    bench.enqueue(&w, task("t-3")).await;

    for expected in ["t-1", "t-2", "t-3", "-"] {
        assert_eq!(next_name(&*queue, &w).await, expected);
    }
}

async fn a_task_arrives_whole(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    let texts = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        let owned = pairs.iter();
        owned.map(|(k, v)| ((*k).into(), (*v).into())).collect()
    };
    let task = Task {
        run: super::run("r-1"),
        project_id: "p 1".into(),
        project_type: "spider".into(),
        priority: -7,
        params: texts(&[("url", "https://example.org/?q=ü"), ("empty", "")]),
        environment: texts(&[("LANG", "zh_CN.UTF-8"), ("TEXT", "行\n\"{}\"")]),
        timeout: Duration::from_secs(90),
        download_url: "https://example.org/code.zip".into(),
        file_hash: "0123abcd".into(),
        entry_point: "主.py".into(),
        is_compressed: true,
        ..task("t-1")
    };
    bench.enqueue(&w, task.clone()).await;

    let delivery = next(&*queue, &w).await;
    assert_eq!(delivery.task, task);
    assert_eq!((delivery.deliveries, delivery.returns), (1, 0));
    assert_eq!(delivery.reason, None);
}

async fn none_is_the_answer_when_the_wait_is_over(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    let wait = Duration::from_millis(50);
    let begun = tokio::time::Instant::now();

    assert_eq!(queue.take(&w, wait).await.expect("waits"), None);
    assert!(begun.elapsed() >= wait);
}

async fn whoever_waits_gets_a_task_the_moment_it_comes(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    let waits = async { next(&*queue, &w).await };
    let comes = async {
        // By now the other one waits, as far as that can be brought about.
        assert_eq!(look(&*queue, &worker("other")).await, None);
        bench.enqueue(&w, task("t")).await;
    };

    let (delivery, ()) = tokio::join!(waits, comes);
    assert_eq!(delivery.task.id.as_str(), "t");
}

async fn a_task_goes_to_one_of_those_who_wait(bench: &impl Queues) {
    let w = worker("w");
    let polls: Vec<_> = (0..50)
        .map(|_| {
            let (queue, w) = (bench.queue(), w.clone());
            let wait = bench.terms().heartbeat_timeout;
            tokio::spawn(async move { queue.take(&w, wait).await.expect("takes") })
        })
        .collect();
    for count in 0..20 {
        bench.enqueue(&w, task(&format!("t-{count:02}"))).await;
    }

    let mut got = Vec::new();
    for poll in polls {
        let taken = poll.await.expect("does not panic");
        got.extend(taken.map(|delivery| delivery.task.id.to_string()));
    }
    got.sort();
    let expected: Vec<_> = (0..20).map(|count| format!("t-{count:02}")).collect();
    assert_eq!(got, expected);
}

async fn what_is_taken_is_not_offered_to_another_take(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;

    assert_eq!(next_name(&*queue, &w).await, "t");
    assert_eq!(next_name(&*queue, &w).await, "-");
}

async fn the_delivery_of_a_task_is_found_by_its_name(bench: &impl Queues) {
    let (queue, a, b) = (bench.queue(), worker("a"), worker("b"));
    enqueue_all(bench, &a, &["t-1", "t-2"]).await;
    let delivery = next(&*queue, &a).await;
    let id = &delivery.task.id;

    let held = queue.held(&a, id).await.expect("looks");
    assert_eq!(held.as_ref(), Some(&delivery));
    assert_eq!(queue.held(&b, id).await.expect("looks"), None);
    let waiting = queue.held(&a, &super::task_id("t-2")).await;
    assert_eq!(waiting.expect("looks"), None);
}
