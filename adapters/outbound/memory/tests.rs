//! Where the bounds are, and what makes room. What every adapter must do is in the contract suite.

mod control;
mod logs;

use std::collections::BTreeMap;

use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::run::{Report, RunStatus};
use gateway_core::domain::task::{Task, Verdict};
use gateway_core::domain::time::Timestamp;
use gateway_core::domain::worker::{Os, Registration};
use gateway_core::ports::{
    DeadLetters as _, Master as _, MasterError, ResultError, ResultStore as _, RunOwners as _,
    Runs as _, TaskQueue as _, WorkerRegistry as _,
};

use super::*;
use crate::outbound::SystemClock;

fn backend(settings: &Settings) -> Backend {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Backend::new(settings, &clock)
}

fn worker(id: &str) -> WorkerId {
    WorkerId::parse(id).expect("is an identifier")
}

fn run(id: &str) -> RunId {
    RunId::parse(id).expect("is an identifier")
}

async fn enqueue(backend: &Backend, to: &str, id: &str) -> Result<(), MasterError> {
    let task = Task::new(TaskId::parse(id).expect("is an identifier"));
    backend.master.enqueue(&worker(to), task).await
}

fn report(of: &str, status: RunStatus) -> Report {
    Report::new(run(of), worker("w"), status, Timestamp::UNIX_EPOCH)
}

async fn end(backend: &Backend, id: &str) {
    let ended = report(id, RunStatus::Success);
    backend.result_store.record(&ended).await.expect("records");
}

async fn run_names(backend: &Backend) -> Vec<String> {
    let runs = backend.master.runs().await.expect("lists");
    runs.iter().map(|view| view.id.to_string()).collect()
}

#[tokio::test]
async fn a_queue_that_is_full_takes_nothing_and_leaves_no_run() {
    let backend = backend(&Settings {
        max_tasks: 2,
        ..Settings::default()
    });
    enqueue(&backend, "w", "t-1").await.expect("has room");
    enqueue(&backend, "v", "t-2").await.expect("has room");

    // A task in a worker's hands takes its room as well.
    let taken = backend.task_queue.take(&worker("w"), Duration::ZERO).await;
    let receipt = taken.expect("takes").expect("is there").receipt;
    let full = enqueue(&backend, "w", "t-3").await;
    assert!(matches!(full, Err(MasterError::Full("tasks"))), "{full:?}");
    assert_eq!(run_names(&backend).await, ["t-2", "t-1"]);

    let w = worker("w");
    let done = backend.task_queue.settle(&w, &receipt, Verdict::Done).await;
    done.expect("settles");
    enqueue(&backend, "w", "t-3").await.expect("has room again");
}

#[tokio::test]
async fn a_dead_letter_stays_while_there_is_no_room_to_queue_it() {
    let backend = backend(&Settings {
        max_tasks: 1,
        ..Settings::default()
    });
    let w = worker("w");
    enqueue(&backend, "w", "t-1").await.expect("has room");
    let taken = backend.task_queue.take(&w, Duration::ZERO).await;
    let receipt = taken.expect("takes").expect("is there").receipt;
    let buried = backend.task_queue.bury(&w, &receipt, "used up").await;
    buried.expect("buries");
    enqueue(&backend, "w", "t-2").await.expect("has room again");

    let letters = backend.dead_letters.list(10).await.expect("lists");
    let full = backend.dead_letters.requeue(&letters[0].id).await;
    assert!(matches!(full, Err(MasterError::Full("tasks"))), "{full:?}");
    assert_eq!(backend.dead_letters.list(10).await.expect("lists"), letters);
}

#[tokio::test]
async fn a_task_that_is_queued_again_has_a_run_that_is_pending_again() {
    let backend = backend(&Settings::default());
    let w = worker("w");
    enqueue(&backend, "w", "t").await.expect("has room");
    let taken = backend.task_queue.take(&w, Duration::ZERO).await;
    let receipt = taken.expect("takes").expect("is there").receipt;
    end(&backend, "t").await;
    let buried = backend.task_queue.bury(&w, &receipt, "used up").await;
    buried.expect("buries");

    let letters = backend.dead_letters.list(1).await.expect("lists");
    let queued = backend.dead_letters.requeue(&letters[0].id).await;
    assert!(queued.expect("queues"));
    let status = backend.result_store.status(&run("t")).await;
    assert_eq!(status.expect("is known"), None);
}

#[tokio::test]
async fn a_worker_without_a_task_makes_room_for_another() {
    let backend = backend(&Settings {
        max_workers: 2,
        ..Settings::default()
    });
    enqueue(&backend, "a", "t-1").await.expect("has room");
    let nothing = backend.task_queue.take(&worker("b"), Duration::ZERO).await;
    nothing.expect("looks");

    enqueue(&backend, "c", "t-2").await.expect("has room");
    let full = enqueue(&backend, "d", "t-3").await;
    assert!(
        matches!(full, Err(MasterError::Full("workers"))),
        "{full:?}"
    );
}

#[tokio::test]
async fn the_oldest_run_that_ended_makes_room() {
    let backend = backend(&Settings {
        max_runs: 3,
        ..Settings::default()
    });
    for id in ["r-1", "r-2", "r-3"] {
        enqueue(&backend, "w", id).await.expect("has room");
    }
    let full = enqueue(&backend, "w", "r-4").await;
    assert!(matches!(full, Err(MasterError::Full("runs"))), "{full:?}");

    end(&backend, "r-3").await;
    end(&backend, "r-2").await;
    enqueue(&backend, "w", "r-4").await.expect("has room");
    assert_eq!(run_names(&backend).await, ["r-4", "r-3", "r-1"]);
}

#[tokio::test]
async fn results_make_room_for_results() {
    let backend = backend(&Settings {
        result_bytes: 1000,
        ..Settings::default()
    });
    for id in ["r-1", "r-2", "r-3"] {
        enqueue(&backend, "w", id).await.expect("has room");
    }
    let ended = |id: &str, bytes: usize| Report {
        error_message: "x".repeat(bytes),
        ..report(id, RunStatus::Failed)
    };
    for id in ["r-1", "r-2"] {
        let recorded = backend.result_store.record(&ended(id, 600)).await;
        recorded.expect("records");
    }

    assert_eq!(run_names(&backend).await, ["r-3", "r-2"]);
    let refused = backend.result_store.record(&ended("r-3", 1001)).await;
    assert!(matches!(refused, Err(ResultError::Unavailable(_))));
}

#[tokio::test]
async fn a_report_opens_its_run_where_nobody_else_does() {
    let backend = backend(&Settings {
        adopt_runs: true,
        max_runs: 2,
        ..Settings::default()
    });
    let store = &backend.result_store;
    for id in ["r-1", "r-2"] {
        let running = report(id, RunStatus::Running);
        store.record(&running).await.expect("records");
    }

    let runs = store.runs().await.expect("lists");
    let names: Vec<_> = runs.iter().map(|view| view.id.as_str()).collect();
    assert_eq!(names, ["r-2", "r-1"]);
    let view = store.run(&run("r-1")).await.expect("reads");
    let view = view.expect("is known");
    assert_eq!((view.worker, view.task.as_str()), (worker("w"), "r-1"));
    assert_eq!(view.run.status, Some(RunStatus::Running));
    let anothers = Report {
        worker: worker("v"),
        ..report("r-1", RunStatus::Success)
    };
    let refused = store.record(&anothers).await;
    assert!(matches!(refused, Err(ResultError::NotTheirs { .. })));

    // As many as are kept, the oldest that ended make room.
    let third = report("r-3", RunStatus::Running);
    let full = store.record(&third).await;
    assert!(matches!(full, Err(ResultError::Unavailable(_))), "{full:?}");
    end(&backend, "r-1").await;
    store.record(&third).await.expect("has room again");
    assert_eq!(store.run(&run("r-1")).await.expect("reads"), None);
}

#[tokio::test]
async fn the_worker_not_heard_of_the_longest_makes_room() {
    let backend = backend(&Settings {
        max_workers: 2,
        ..Settings::default()
    });
    for id in ["a", "b", "a", "c"] {
        let registration = Registration {
            worker: worker(id),
            os: Os::default(),
            capabilities: BTreeMap::new(),
            at: Timestamp::UNIX_EPOCH,
        };
        let registered = backend.worker_registry.register(&registration).await;
        registered.expect("registers");
    }

    let workers = backend.master.workers().await.expect("lists");
    let names: Vec<_> = workers.iter().map(|view| view.id.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
}

#[tokio::test]
async fn owners_of_runs_long_gone_are_forgotten() {
    let backend = backend(&Settings {
        max_runs: 5,
        ..Settings::default()
    });
    for count in 0..12 {
        let run = run(&format!("r-{count}"));
        let claimed = backend.run_owners.claim(&run, &worker("a")).await;
        claimed.expect("is nobody's");
    }

    let forgotten = backend.run_owners.claim(&run("r-0"), &worker("b")).await;
    forgotten.expect("is nobody's again");
    let known = backend.run_owners.claim(&run("r-11"), &worker("b")).await;
    known.expect_err("is a's");
}
