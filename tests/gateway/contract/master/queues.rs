//! Queues, as an operator sees them.

use gateway_core::domain::task::{Sign, Verdict};
use gateway_core::ports::QueueView;

use super::super::task_queue::Queues;
use super::super::{NOW, task, worker};
use super::Masters;

contract!(memory, memory_live, redis, cluster => {
    queues_tell_what_waits_and_what_is_held,
    a_queue_is_as_old_as_what_came_to_it_first,
});

async fn queues_tell_what_waits_and_what_is_held(bench: &(impl Masters + Queues)) {
    let (w, queue) = (worker("w"), bench.queue());
    for id in ["t-1", "t-2", "t-3"] {
        bench.enqueue(&w, task(id)).await;
    }
    queue.take(&w, NOW).await.expect("takes");
    let beat = Sign::Running(0);
    queue.note(&worker("idle"), &beat).await.expect("notes");

    let mut queues = bench.master().queues().await.expect("lists");
    for queue in &mut queues {
        assert!(queue.oldest.take().is_some(), "{queue:?}");
    }
    let expected = QueueView {
        worker: w,
        waiting: 2,
        held: 1,
        oldest: None,
    };
    assert_eq!(queues, vec![expected]);
}

async fn a_queue_is_as_old_as_what_came_to_it_first(bench: &(impl Masters + Queues)) {
    let (w, queue) = (worker("w"), bench.queue());
    let oldest = async || {
        let queues = bench.master().queues().await.expect("lists");
        queues.first().and_then(|queue| queue.oldest)
    };
    bench.enqueue(&w, task("t-1")).await;
    let first = oldest().await.expect("something waits");
    bench.enqueue(&w, task("t-2")).await;
    assert_eq!(oldest().await, Some(first));

    let taken = queue.take(&w, NOW).await.expect("takes");
    assert_eq!(oldest().await, Some(first), "what is held counts, too");

    let receipt = taken.expect("is there").receipt;
    let back = Verdict::GivenBack("busy".into());
    queue.settle(&w, &receipt, back).await.expect("settles");
    let second = oldest().await.expect("t-2 waits");
    assert!(second >= first);
    let taken = queue.take(&w, NOW).await.expect("takes");
    let receipt = taken.expect("is there").receipt;
    queue
        .settle(&w, &receipt, Verdict::Done)
        .await
        .expect("settles");
    let third = oldest().await.expect("t-1 rests");
    assert!(third >= second);
}
