//! The contract of `DeadLetters`.

use std::sync::Arc;

use gateway_core::domain::id::LetterId;
use gateway_core::domain::task::{Content, DeadLetter, Settled, Task};
use gateway_core::ports::DeadLetters;

use super::task_queue::Queues;
use super::{LONG, NOW, in_time, task, worker};

/// A backend whose dead letters an operator may look at.
pub(super) trait Morgue: Queues {
    fn dead_letters(&self) -> Arc<dyn DeadLetters>;
}

contract!(memory, memory_live, redis, cluster => {
    the_newest_letters_come_first_and_no_more_than_asked_for,
    a_letter_is_found_by_its_name_alone,
    a_letter_holds_the_task_whole,
    what_is_requeued_waits_as_if_it_were_new,
    what_is_discarded_is_gone_for_good,
});

/// Has the worker w give up on `task`.
async fn bury(bench: &impl Morgue, task: Task, reason: &str) {
    let (queue, w) = (bench.queue(), worker("w"));
    bench.enqueue(&w, task).await;
    let taken = in_time(queue.take(&w, LONG)).await.expect("takes");
    let receipt = taken.expect("something comes").receipt;
    let buried = queue.bury(&w, &receipt, reason).await;
    assert_eq!(buried.expect("buries"), Settled::Now);
}

async fn list(bench: &impl Morgue, limit: usize) -> Vec<DeadLetter> {
    let letters = bench.dead_letters().list(limit).await;
    letters.expect("lists")
}

/// The one letter there is.
async fn only(bench: &impl Morgue) -> DeadLetter {
    let mut letters = list(bench, 10).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0)
}

fn name(letter: &DeadLetter) -> &str {
    match &letter.content {
        Content::Task(task) => task.id.as_str(),
        Content::Result(report) => report.run.as_str(),
        Content::Unreadable(_) => "unreadable",
    }
}

/// A well-formed name that no letter has.
fn nobodys() -> LetterId {
    LetterId::parse("1-1").expect("is an identifier")
}

async fn the_newest_letters_come_first_and_no_more_than_asked_for(bench: &impl Morgue) {
    for id in ["t-1", "t-2", "t-3"] {
        bury(bench, task(id), "used up").await;
    }

    for (limit, expected) in [
        (10, &["t-3", "t-2", "t-1"][..]),
        (2, &["t-3", "t-2"]),
        (0, &[]),
    ] {
        let letters = list(bench, limit).await;
        let names: Vec<_> = letters.iter().map(name).collect();
        assert_eq!(names, expected, "{limit}");
    }
}

async fn a_letter_is_found_by_its_name_alone(bench: &impl Morgue) {
    bury(bench, task("t-1"), "used up").await;
    bury(bench, task("t-2"), "used up").await;

    let dead = bench.dead_letters();
    for letter in list(bench, 10).await {
        let found = dead.find(&letter.id).await.expect("looks");
        assert_eq!(found, Some(letter));
    }
    for id in [nobodys(), LetterId::parse("t-1").expect("is an identifier")] {
        assert_eq!(dead.find(&id).await.expect("looks"), None);
    }
}

async fn a_letter_holds_the_task_whole(bench: &impl Morgue) {
    let task = Task {
        run: super::run("r-1"),
        project_id: "p".into(),
        priority: -7,
        params: [("url".to_owned(), "https://example.org/?q=ü".to_owned())].into(),
        environment: [("TEXT".to_owned(), "行\n\"{}\"".to_owned())].into(),
        timeout: std::time::Duration::from_secs(90),
        entry_point: "主.py".into(),
        is_compressed: true,
        ..task("t-1")
    };
    bury(bench, task.clone(), "no slot: 没有").await;

    let letter = only(bench).await;
    assert_eq!(letter.content, Content::Task(Box::new(task)));
    assert_eq!(letter.worker, worker("w"));
    assert_eq!(letter.reason, "no slot: 没有");
    // The take that found it used up is not counted.
    assert_eq!(letter.deliveries, 0);
}

async fn what_is_requeued_waits_as_if_it_were_new(bench: &impl Morgue) {
    bury(bench, task("t"), "used up").await;
    let (dead, letter) = (bench.dead_letters(), only(bench).await);

    assert!(dead.requeue(&letter.id).await.expect("queues"));
    assert_eq!(list(bench, 10).await, []);
    assert!(!dead.requeue(&letter.id).await.expect("looks"));
    assert!(!dead.requeue(&nobodys()).await.expect("looks"));

    let (queue, w) = (bench.queue(), worker("w"));
    let taken = in_time(queue.take(&w, LONG)).await.expect("takes");
    let delivery = taken.expect("it waits");
    assert_eq!(delivery.task, task("t"));
    assert_eq!((delivery.deliveries, delivery.returns), (1, 0));
    assert_eq!(delivery.reason, None);
    assert_eq!(queue.take(&w, NOW).await.expect("looks"), None);
}

async fn what_is_discarded_is_gone_for_good(bench: &impl Morgue) {
    bury(bench, task("t-1"), "used up").await;
    bury(bench, task("t-2"), "used up").await;
    let (dead, letters) = (bench.dead_letters(), list(bench, 10).await);

    assert!(dead.discard(&letters[0].id).await.expect("discards"));
    assert_eq!(list(bench, 10).await, letters[1..]);
    assert_eq!(dead.find(&letters[0].id).await.expect("looks"), None);
    assert!(!dead.discard(&letters[0].id).await.expect("looks"));
    assert!(!dead.requeue(&letters[0].id).await.expect("looks"));

    let taken = bench.queue().take(&worker("w"), NOW).await;
    assert_eq!(taken.expect("looks"), None);
}
