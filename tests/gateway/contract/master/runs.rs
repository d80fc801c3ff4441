//! The scheduler's book of runs.

use gateway_core::domain::task::Task;
use gateway_core::ports::MasterError;

use super::super::task_queue::Queues;
use super::super::{NOW, run, task, worker};
use super::Masters;

contract!(memory, memory_live => {
    a_queued_task_has_a_run_that_is_pending,
    a_run_is_queued_once,
    runs_are_listed_the_newest_first,
});

async fn a_queued_task_has_a_run_that_is_pending(bench: &(impl Masters + Queues)) {
    let one_run = Task {
        run: run("r"),
        ..task("t")
    };
    bench.enqueue(&worker("w"), one_run).await;

    let view = bench.master().run(&run("r")).await.expect("reads");
    let view = view.expect("is known");
    assert_eq!((view.id, view.worker), (run("r"), worker("w")));
    assert_eq!((view.task.as_str(), view.run.status), ("t", None));
    let unknown = bench.master().run(&run("t")).await.expect("reads");
    assert_eq!(unknown, None);
}

async fn a_run_is_queued_once(bench: &(impl Masters + Queues)) {
    bench.enqueue(&worker("a"), task("t")).await;

    let refused = bench.master().enqueue(&worker("b"), task("t")).await;
    assert!(matches!(refused, Err(MasterError::RunExists(id)) if id == run("t")));
    let taken = bench.queue().take(&worker("b"), NOW).await;
    assert_eq!(taken.expect("looks"), None);
}

async fn runs_are_listed_the_newest_first(bench: &(impl Masters + Queues)) {
    for id in ["b", "a", "c"] {
        bench.enqueue(&worker("w"), task(id)).await;
    }

    let runs = bench.master().runs().await.expect("lists");
    let names: Vec<_> = runs.iter().map(|view| view.id.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
}
