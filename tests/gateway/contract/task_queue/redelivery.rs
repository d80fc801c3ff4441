//! What was taken and never settled.

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::{Delivery, Settled, Sign, Task, Verdict};
use gateway_core::ports::TaskQueue;
use tokio::time::{Duration, Instant};

use super::super::{task, worker};
use super::{Queues, Terms, enqueue_all, look, next, next_name};

contract!(memory, memory_live, redis, guarded, cluster => {
    what_a_restarted_worker_held_is_offered_at_once,
    what_is_offered_again_comes_before_what_waits,
    what_was_delivered_after_the_restart_stays,
    a_restart_is_that_workers_alone,
    whoever_waits_hears_of_the_restart,
    a_late_receipt_settles_what_is_offered_again,
    a_worker_that_runs_nothing_is_offered_what_it_held,
    a_task_is_offered_again_when_its_lease_is_over,
    progress_renews_the_lease,
    progress_shows_that_a_task_is_run_after_all,
    a_live_worker_keeps_what_it_runs_beyond_the_lease,
    a_live_worker_is_offered_the_one_it_does_not_run,
    every_delivery_counts,
});

/// The shortest timeout a task can have on every backend.
const TIMEOUT: Duration = Duration::from_secs(1);

fn lease(terms: Terms) -> Duration {
    TIMEOUT + terms.lease_grace
}

async fn enqueue_short(bench: &impl Queues, to: &WorkerId, id: &str) {
    let short = Task {
        timeout: TIMEOUT,
        ..task(id)
    };
    bench.enqueue(to, short).await;
}

async fn note(queue: &dyn TaskQueue, of: &WorkerId, sign: Sign) {
    queue.note(of, &sign).await.expect("notes");
}

/// The next task of a worker that says all the time how many it runs.
async fn next_while_running(bench: &impl Queues, of: &WorkerId, running: u32) -> Delivery {
    let queue = bench.queue();
    let pause = bench.terms().heartbeat_interval / 4;
    let begun = Instant::now();
    while begun.elapsed() < super::LONG {
        note(&*queue, of, Sign::Running(running)).await;
        if let Some(delivery) = queue.take(of, pause).await.expect("takes") {
            return delivery;
        }
    }
    panic!("nothing came");
}

async fn what_a_restarted_worker_held_is_offered_at_once(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t-1", "t-2"]).await;
    next(&*queue, &w).await;
    next(&*queue, &w).await;

    note(&*queue, &w, Sign::Restarted).await;
    let again = look(&*queue, &w).await.expect("is offered");
    assert_eq!((again.task.id.as_str(), again.deliveries), ("t-1", 2));
    assert_eq!(next_name(&*queue, &w).await, "t-2");
    assert_eq!(next_name(&*queue, &w).await, "-");
}

async fn what_is_offered_again_comes_before_what_waits(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t-1", "t-2", "t-3"]).await;
    next(&*queue, &w).await;
    next(&*queue, &w).await;

    note(&*queue, &w, Sign::Restarted).await;
    for expected in ["t-1", "t-2", "t-3", "-"] {
        assert_eq!(next_name(&*queue, &w).await, expected);
    }
}

async fn what_was_delivered_after_the_restart_stays(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    note(&*queue, &w, Sign::Restarted).await;

    assert_eq!(next_name(&*queue, &w).await, "t");
    assert_eq!(next_name(&*queue, &w).await, "-");
}

async fn a_restart_is_that_workers_alone(bench: &impl Queues) {
    let (queue, a, b) = (bench.queue(), worker("a"), worker("b"));
    enqueue_all(bench, &a, &["t"]).await;
    next(&*queue, &a).await;

    note(&*queue, &b, Sign::Restarted).await;
    assert_eq!(next_name(&*queue, &a).await, "-");
}

async fn whoever_waits_hears_of_the_restart(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t-1", "t-2"]).await;
    next(&*queue, &w).await;
    next(&*queue, &w).await;

    let restarts = async {
        assert_eq!(look(&*queue, &worker("other")).await, None);
        note(&*queue, &w, Sign::Restarted).await;
    };
    let (one, other, ()) = tokio::join!(next(&*queue, &w), next(&*queue, &w), restarts);
    let mut offered = [one.task.id.to_string(), other.task.id.to_string()];
    offered.sort();
    assert_eq!(offered, ["t-1", "t-2"]);
}

async fn a_late_receipt_settles_what_is_offered_again(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t-1", "t-2"]).await;
    let first = next(&*queue, &w).await;
    let second = next(&*queue, &w).await;
    note(&*queue, &w, Sign::Restarted).await;

    // Before it went out again, and after.
    let settled = queue.settle(&w, &first.receipt, Verdict::Done).await;
    assert_eq!(settled.expect("settles"), Settled::Now);
    assert_eq!(next(&*queue, &w).await.task, second.task);
    let settled = queue.settle(&w, &second.receipt, Verdict::Done).await;
    assert_eq!(settled.expect("settles"), Settled::Now);
    note(&*queue, &w, Sign::Restarted).await;
    assert_eq!(next_name(&*queue, &w).await, "-");
}

async fn a_worker_that_runs_nothing_is_offered_what_it_held(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    let begun = Instant::now();
    next(&*queue, &w).await;

    let again = next_while_running(bench, &w, 0).await;
    assert_eq!(again.deliveries, 2);
    assert!(begun.elapsed() >= bench.terms().heartbeat_interval * 2);
}

async fn a_task_is_offered_again_when_its_lease_is_over(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_short(bench, &w, "t").await;
    let begun = Instant::now();
    next(&*queue, &w).await;

    let again = next(&*queue, &w).await;
    assert_eq!(again.deliveries, 2);
    assert!(begun.elapsed() >= lease(bench.terms()));
}

async fn progress_renews_the_lease(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_short(bench, &w, "t").await;
    let delivery = next(&*queue, &w).await;
    let half = lease(bench.terms()) / 2;
    let nothing = queue.take(&w, half).await.expect("waits");
    assert_eq!(nothing, None);

    let begun = Instant::now();
    note(&*queue, &w, Sign::Progress(delivery.task.run)).await;
    let again = next(&*queue, &w).await;
    assert_eq!(again.deliveries, 2);
    assert!(begun.elapsed() >= lease(bench.terms()));
}

async fn progress_shows_that_a_task_is_run_after_all(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    let delivery = next(&*queue, &w).await;
    let long_enough = bench.terms().heartbeat_interval * 2;
    let nothing = queue.take(&w, long_enough).await.expect("waits");
    assert_eq!(nothing, None);

    note(&*queue, &w, Sign::Running(0)).await;
    note(&*queue, &w, Sign::Progress(delivery.task.run)).await;
    assert_eq!(look(&*queue, &w).await, None);
}

async fn a_live_worker_keeps_what_it_runs_beyond_the_lease(bench: &impl Queues) {
    let (queue, w, terms) = (bench.queue(), worker("w"), bench.terms());
    enqueue_short(bench, &w, "t").await;
    let begun = Instant::now();
    next(&*queue, &w).await;

    let mut heard = begun;
    while begun.elapsed() < lease(terms) + terms.heartbeat_interval * 2 {
        heard = Instant::now();
        note(&*queue, &w, Sign::Running(1)).await;
        let nothing = queue.take(&w, terms.heartbeat_interval / 4).await;
        assert_eq!(nothing.expect("waits"), None);
    }
    // Silence is what ends it.
    let again = next(&*queue, &w).await;
    assert_eq!(again.deliveries, 2);
    assert!(heard.elapsed() >= terms.heartbeat_timeout);
}

async fn a_live_worker_is_offered_the_one_it_does_not_run(bench: &impl Queues) {
    let (queue, w, terms) = (bench.queue(), worker("w"), bench.terms());
    enqueue_short(bench, &w, "t-1").await;
    enqueue_short(bench, &w, "t-2").await;
    let begun = Instant::now();
    next(&*queue, &w).await;
    next(&*queue, &w).await;

    let again = next_while_running(bench, &w, 1).await;
    assert_eq!(again.task.id.as_str(), "t-1");
    assert!(begun.elapsed() >= lease(terms));
    // It holds two again and says that it runs one, but it has had no time to count the other.
    note(&*queue, &w, Sign::Running(1)).await;
    assert_eq!(look(&*queue, &w).await, None);
}

async fn every_delivery_counts(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;

    for count in 1..=7 {
        assert_eq!(next(&*queue, &w).await.deliveries, count);
        note(&*queue, &w, Sign::Restarted).await;
    }
}
