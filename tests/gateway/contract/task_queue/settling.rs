//! Done, given back, undone or given up.

use gateway_core::domain::task::{Content, Settled, Sign, Verdict};
use gateway_core::ports::QueueError;
use tokio::time::{Duration, Instant};

use super::super::{receipt, task, worker};
use super::{Queues, enqueue_all, look, next, next_name};

contract!(memory, memory_live, redis, guarded, cluster => {
    a_task_that_is_done_leaves_the_queue,
    a_receipt_settles_once,
    a_receipt_that_never_was_is_settled_before,
    another_workers_receipt_is_refused_and_nothing_changes,
    a_task_given_back_waits_behind_the_others_with_its_reason,
    a_task_given_back_is_not_offered_within_a_second,
    a_task_given_back_keeps_its_place_before_what_comes_later,
    whoever_waits_gets_what_another_gave_back,
    a_task_given_back_again_counts_again,
    a_receipt_ends_with_the_give_back,
    a_release_puts_the_task_back_where_it_was,
    a_delivery_that_was_released_does_not_count,
    a_release_of_what_is_not_held_changes_nothing,
    a_buried_task_is_a_dead_letter_and_no_task_any_more,
    a_burial_of_what_is_not_held_changes_nothing,
});

fn given_back(reason: &str) -> Verdict {
    Verdict::GivenBack(reason.to_owned())
}

async fn a_task_that_is_done_leaves_the_queue(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    let delivery = next(&*queue, &w).await;

    let settled = queue.settle(&w, &delivery.receipt, Verdict::Done).await;
    assert_eq!(settled.expect("settles"), Settled::Now);
    let held = queue.held(&w, &delivery.task.id).await.expect("looks");
    assert_eq!(held, None);
    queue.note(&w, &Sign::Restarted).await.expect("notes");
    assert_eq!(next_name(&*queue, &w).await, "-");
}

async fn a_receipt_settles_once(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    let delivery = next(&*queue, &w).await;
    let done = queue.settle(&w, &delivery.receipt, Verdict::Done).await;
    done.expect("settles");

    for verdict in [Verdict::Done, given_back("too late")] {
        let again = queue.settle(&w, &delivery.receipt, verdict).await;
        assert_eq!(again.expect("settles"), Settled::Before);
    }
    assert_eq!(next_name(&*queue, &w).await, "-");
}

async fn a_receipt_that_never_was_is_settled_before(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    let made_up = receipt("12345-0");

    let settled = queue.settle(&w, &made_up, Verdict::Done).await;
    assert_eq!(settled.expect("settles"), Settled::Before);
}

async fn another_workers_receipt_is_refused_and_nothing_changes(bench: &impl Queues) {
    let (queue, a, b) = (bench.queue(), worker("a"), worker("b"));
    enqueue_all(bench, &a, &["t"]).await;
    let delivery = next(&*queue, &a).await;

    for verdict in [Verdict::Done, given_back("mischief")] {
        let refused = queue.settle(&b, &delivery.receipt, verdict).await;
        let refused = refused.expect_err("is refused");
        assert!(matches!(refused, QueueError::NotTheirs(id) if id == delivery.receipt));
    }
    queue.release(&b, &delivery.receipt).await.expect("answers");
    let held = queue.held(&a, &delivery.task.id).await.expect("looks");
    assert_eq!(held.as_ref(), Some(&delivery));
    assert_eq!(look(&*queue, &b).await, None);
}

async fn a_task_given_back_waits_behind_the_others_with_its_reason(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t-1", "t-2", "t-3"]).await;
    let first = next(&*queue, &w).await;
    let settled = queue
        .settle(&w, &first.receipt, given_back("no slot"))
        .await;
    assert_eq!(settled.expect("settles"), Settled::Now);

    assert_eq!(next_name(&*queue, &w).await, "t-2");
    assert_eq!(next_name(&*queue, &w).await, "t-3");
    let again = next(&*queue, &w).await;
    assert_eq!(again.task, first.task);
    assert_eq!((again.deliveries, again.returns), (1, 1));
    assert_eq!(again.reason.as_deref(), Some("no slot"));
}

async fn a_task_given_back_is_not_offered_within_a_second(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t-1"]).await;
    let first = next(&*queue, &w).await;
    let begun = Instant::now();
    let settled = queue
        .settle(&w, &first.receipt, given_back("no slot"))
        .await;
    settled.expect("settles");
    enqueue_all(bench, &w, &["t-2"]).await;

    assert_eq!(next(&*queue, &w).await.task, task("t-2"));
    assert_eq!(next(&*queue, &w).await.task, task("t-1"));
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

async fn a_task_given_back_keeps_its_place_before_what_comes_later(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t-1"]).await;
    let first = next(&*queue, &w).await;
    let settled = queue.settle(&w, &first.receipt, given_back("no slot"));
    settled.await.expect("settles");
    let second = Duration::from_secs(1);
    let nothing = queue.take(&worker("other"), second).await;
    assert_eq!(nothing.expect("waits"), None);
    enqueue_all(bench, &w, &["t-2"]).await;

    assert_eq!(next(&*queue, &w).await.task, task("t-1"));
    assert_eq!(next(&*queue, &w).await.task, task("t-2"));
}

async fn whoever_waits_gets_what_another_gave_back(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    let delivery = next(&*queue, &w).await;

    let gives_back = queue.settle(&w, &delivery.receipt, given_back("no slot"));
    let (again, settled) = tokio::join!(next(&*queue, &w), gives_back);
    assert_eq!(settled.expect("settles"), Settled::Now);
    assert_eq!(again.returns, 1);
}

async fn a_task_given_back_again_counts_again(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    for reason in ["no slot", "no disk"] {
        let delivery = next(&*queue, &w).await;
        let settled = queue
            .settle(&w, &delivery.receipt, given_back(reason))
            .await;
        assert_eq!(settled.expect("settles"), Settled::Now);
    }

    let delivery = next(&*queue, &w).await;
    assert_eq!((delivery.deliveries, delivery.returns), (1, 2));
    assert_eq!(delivery.reason.as_deref(), Some("no disk"));
}

async fn a_receipt_ends_with_the_give_back(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    let first = next(&*queue, &w).await;
    let settled = queue
        .settle(&w, &first.receipt, given_back("no slot"))
        .await;
    settled.expect("settles");
    let second = next(&*queue, &w).await;

    let late = queue.settle(&w, &first.receipt, Verdict::Done).await;
    assert_eq!(late.expect("settles"), Settled::Before);
    let held = queue.held(&w, &second.task.id).await.expect("looks");
    assert_eq!(held, Some(second));
}

async fn a_release_puts_the_task_back_where_it_was(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t-1", "t-2", "t-3"]).await;
    let first = next(&*queue, &w).await;
    let second = next(&*queue, &w).await;
    for delivery in [&first, &second] {
        queue
            .release(&w, &delivery.receipt)
            .await
            .expect("releases");
    }

    for expected in ["t-1", "t-2", "t-3", "-"] {
        assert_eq!(next_name(&*queue, &w).await, expected);
    }
}

async fn a_delivery_that_was_released_does_not_count(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    for _ in 0..10 {
        let delivery = next(&*queue, &w).await;
        assert_eq!(delivery.deliveries, 1);
        queue
            .release(&w, &delivery.receipt)
            .await
            .expect("releases");
    }

    assert_eq!(next(&*queue, &w).await.deliveries, 1);
    queue.note(&w, &Sign::Restarted).await.expect("notes");
    for _ in 0..10 {
        let delivery = next(&*queue, &w).await;
        assert_eq!(delivery.deliveries, 2);
        queue
            .release(&w, &delivery.receipt)
            .await
            .expect("releases");
    }
}

async fn a_release_of_what_is_not_held_changes_nothing(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    let delivery = next(&*queue, &w).await;
    let done = queue.settle(&w, &delivery.receipt, Verdict::Done).await;
    done.expect("settles");

    queue.release(&w, &delivery.receipt).await.expect("answers");
    queue
        .release(&w, &receipt("12345-0"))
        .await
        .expect("answers");
    assert_eq!(next_name(&*queue, &w).await, "-");
}

async fn a_buried_task_is_a_dead_letter_and_no_task_any_more(bench: &impl Queues) {
    let (queue, w) = (bench.queue(), worker("w"));
    enqueue_all(bench, &w, &["t"]).await;
    let delivery = next(&*queue, &w).await;
    let buried = queue.bury(&w, &delivery.receipt, "poison").await;
    assert_eq!(buried.expect("buries"), Settled::Now);

    let dead = bench.dead().await;
    let [letter] = &dead[..] else {
        panic!("one dead letter, not {dead:?}");
    };
    let content = Content::Task(Box::new(delivery.task));
    assert_eq!((&letter.content, &letter.worker), (&content, &w));
    assert_eq!((&*letter.reason, letter.deliveries), ("poison", 0));
    queue.note(&w, &Sign::Restarted).await.expect("notes");
    assert_eq!(next_name(&*queue, &w).await, "-");
}

async fn a_burial_of_what_is_not_held_changes_nothing(bench: &impl Queues) {
    let (queue, a, b) = (bench.queue(), worker("a"), worker("b"));
    enqueue_all(bench, &a, &["t"]).await;
    let delivery = next(&*queue, &a).await;

    let refused = queue.bury(&b, &delivery.receipt, "mischief").await;
    assert!(matches!(refused, Err(QueueError::NotTheirs(_))));
    let done = queue.settle(&a, &delivery.receipt, Verdict::Done).await;
    assert_eq!(done.expect("settles"), Settled::Now);
    let late = queue.bury(&a, &delivery.receipt, "late").await;
    assert_eq!(late.expect("answers"), Settled::Before);
    assert_eq!(bench.dead().await, vec![]);
}
