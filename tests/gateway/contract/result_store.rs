//! The contract of `ResultStore`.

use std::sync::Arc;

use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::run::{Data, Recorded, Report, Run, RunStatus, Tally};
use gateway_core::domain::task::Task;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{ResultError, ResultStore};
use serde_json::{Value, json};

use super::{run, task, task_id, worker};

/// A backend that keeps results.
pub(super) trait Results {
    fn store(&self) -> Arc<dyn ResultStore>;

    /// Makes the run of `task`, which is `worker`'s, as a scheduler does.
    async fn open(&self, worker: &WorkerId, task: Task);

    /// What is known of `run`.
    async fn outcome(&self, run: &RunId) -> Run;

    /// What the books of `task` say.
    async fn books(&self, task: &TaskId) -> Books;
}

/// What the runs of a task have come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) status: Option<RunStatus>,
    pub(super) last_run_time: Option<Timestamp>,
    pub(super) success_count: u64,
    pub(super) failure_count: u64,
}

contract!(memory, memory_live, mariadb => {
    a_run_goes_from_nothing_to_its_end,
    everything_a_report_says_is_kept,
    data_is_merged_key_by_key,
    an_end_is_the_end,
    a_late_report_changes_nothing,
    the_books_are_kept_once_a_run,
    the_runs_of_a_task_share_its_books,
    an_unknown_run_is_not_made,
    another_workers_run_is_left_alone,
    of_many_ends_at_once_one_is_written,
    the_same_end_many_times_at_once_is_written_once,
});

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("is a time")
}

fn report(of: &str, status: RunStatus, second: i64) -> Report {
    Report::new(run(of), worker("w"), status, at(second))
}

async fn open(bench: &impl Results, of: &str) {
    bench.open(&worker("w"), task(of)).await;
}

async fn record(bench: &impl Results, report: &Report) -> Recorded {
    bench.store().record(report).await.expect("records")
}

fn object(value: &Value) -> Data {
    Data::parse(&value.to_string()).expect("is an object")
}

async fn a_run_goes_from_nothing_to_its_end(bench: &impl Results) {
    open(bench, "r").await;
    let store = bench.store();
    assert_eq!(store.status(&run("r")).await.expect("reads"), None);

    for (second, status) in [RunStatus::Queued, RunStatus::Running, RunStatus::Success]
        .into_iter()
        .enumerate()
    {
        let second = i64::try_from(second).expect("is 0, 1 or 2");
        let recorded = record(bench, &report("r", status, second)).await;
        let started = status == RunStatus::Running;
        let tally = (status == RunStatus::Success).then_some(Tally::Success);
        assert_eq!(recorded, Recorded::Changed { started, tally });
        let known = store.status(&run("r")).await.expect("reads");
        assert_eq!(known, Some(status));
    }
}

async fn everything_a_report_says_is_kept(bench: &impl Results) {
    open(bench, "r").await;
    let failed = Report {
        exit_code: Some(-9),
        error_message: "killed: 内存不足".into(),
        started_at: Some(at(1)),
        finished_at: Some(at(4)),
        duration: Some(std::time::Duration::from_millis(2999)),
        data: object(&json!({"items": 3, "path": "/tmp/文件", "nested": {"a": [1, null]}})),
        ..report("r", RunStatus::Failed, 4)
    };
    record(bench, &failed).await;

    let outcome = bench.outcome(&run("r")).await;
    assert_eq!(outcome.status, Some(RunStatus::Failed));
    assert_eq!(outcome.exit_code, failed.exit_code);
    assert_eq!(outcome.error_message, Some(failed.error_message));
    assert_eq!(
        (outcome.started_at, outcome.ended_at),
        (Some(at(1)), Some(at(4)))
    );
    assert_eq!(outcome.duration, failed.duration);
    assert_eq!(outcome.data, failed.data);
}

async fn data_is_merged_key_by_key(bench: &impl Results) {
    open(bench, "r").await;
    let with = |data, status, second| Report {
        data: object(&data),
        ..report("r", status, second)
    };
    let running = with(json!({"a": 1, "b": {"x": 1}}), RunStatus::Running, 1);
    record(bench, &running).await;
    let ended = with(json!({"b": {"y": 2}, "c": 3}), RunStatus::Success, 2);
    record(bench, &ended).await;

    let merged = object(&json!({"a": 1, "b": {"y": 2}, "c": 3}));
    assert_eq!(bench.outcome(&run("r")).await.data, merged);
}

async fn an_end_is_the_end(bench: &impl Results) {
    open(bench, "r").await;
    record(bench, &report("r", RunStatus::Cancelled, 1)).await;
    let before = bench.outcome(&run("r")).await;

    let ended = RunStatus::Cancelled;
    for (status, answer) in [
        (RunStatus::Cancelled, Recorded::Repeated),
        (RunStatus::Success, Recorded::Conflict { ended }),
        (RunStatus::Failed, Recorded::Conflict { ended }),
        (RunStatus::Running, Recorded::Late),
    ] {
        assert_eq!(record(bench, &report("r", status, 9)).await, answer);
    }
    assert_eq!(bench.outcome(&run("r")).await, before);
}

async fn a_late_report_changes_nothing(bench: &impl Results) {
    open(bench, "r").await;
    record(bench, &report("r", RunStatus::Running, 5)).await;
    let before = bench.outcome(&run("r")).await;

    for (status, second, answer) in [
        (RunStatus::Queued, 9, Recorded::Late),
        (RunStatus::Running, 4, Recorded::Late),
        (RunStatus::Running, 5, Recorded::Repeated),
    ] {
        assert_eq!(record(bench, &report("r", status, second)).await, answer);
    }
    assert_eq!(bench.outcome(&run("r")).await, before);
}

async fn the_books_are_kept_once_a_run(bench: &impl Results) {
    open(bench, "r").await;
    record(bench, &report("r", RunStatus::Running, 1)).await;
    for _ in 0..3 {
        record(bench, &report("r", RunStatus::Timeout, 2)).await;
    }

    let expected = Books {
        status: Some(RunStatus::Timeout),
        last_run_time: Some(at(1)),
        success_count: 0,
        failure_count: 1,
    };
    assert_eq!(bench.books(&task_id("r")).await, expected);
}

async fn the_runs_of_a_task_share_its_books(bench: &impl Results) {
    for (name, status) in [
        ("r-1", RunStatus::Success),
        ("r-2", RunStatus::Failed),
        ("r-3", RunStatus::Success),
        ("r-4", RunStatus::Skipped),
    ] {
        let one_run = Task {
            run: run(name),
            ..task("t")
        };
        bench.open(&worker("w"), one_run).await;
        record(bench, &report(name, status, 1)).await;
    }

    let books = bench.books(&task_id("t")).await;
    assert_eq!((books.success_count, books.failure_count), (2, 1));
}

async fn an_unknown_run_is_not_made(bench: &impl Results) {
    let store = bench.store();
    for _ in 0..2 {
        let refused = store.record(&report("r", RunStatus::Success, 1)).await;
        assert!(matches!(refused, Err(ResultError::UnknownRun(id)) if id == run("r")));
    }
    let refused = store.status(&run("r")).await;
    assert!(matches!(refused, Err(ResultError::UnknownRun(_))));
}

async fn another_workers_run_is_left_alone(bench: &impl Results) {
    open(bench, "r").await;
    let theirs = Report {
        worker: worker("thief"),
        ..report("r", RunStatus::Failed, 1)
    };

    let refused = bench.store().record(&theirs).await;
    assert!(
        matches!(refused, Err(ResultError::NotTheirs { run: id, worker: thief })
        if id == run("r") && thief == worker("thief"))
    );
    assert_eq!(bench.outcome(&run("r")).await, Run::default());
    assert_eq!(bench.books(&task_id("r")).await, Books::default());
}

/// What came of it when all `reports` were made at once.
async fn record_at_once(bench: &impl Results, reports: Vec<Report>) -> Vec<Recorded> {
    let calls = reports.into_iter().map(|report| {
        let store = bench.store();
        tokio::spawn(async move { store.record(&report).await.expect("records") })
    });
    let calls: Vec<_> = calls.collect();
    let mut recorded = Vec::new();
    for call in calls {
        recorded.push(call.await.expect("does not panic"));
    }
    recorded
}

fn is_change(recorded: Recorded) -> bool {
    matches!(recorded, Recorded::Changed { .. })
}

async fn of_many_ends_at_once_one_is_written(bench: &impl Results) {
    open(bench, "r").await;
    let ends = [RunStatus::Success, RunStatus::Failed, RunStatus::Timeout];
    let reports = ends.iter().cycle().take(30);
    let reports = reports.map(|status| report("r", *status, 1)).collect();

    let recorded = record_at_once(bench, reports).await;
    assert_eq!(recorded.iter().filter(|one| is_change(**one)).count(), 1);
    let ended = bench.outcome(&run("r")).await.status.expect("has ended");
    for one in recorded.iter().filter(|one| !is_change(**one)) {
        assert!(matches!(one, Recorded::Repeated) || *one == Recorded::Conflict { ended });
    }
    let books = bench.books(&task_id("r")).await;
    assert_eq!(books.success_count + books.failure_count, 1);
}

async fn the_same_end_many_times_at_once_is_written_once(bench: &impl Results) {
    open(bench, "r").await;
    let reports = vec![report("r", RunStatus::Success, 1); 20];

    let recorded = record_at_once(bench, reports).await;
    assert_eq!(recorded.iter().filter(|one| is_change(**one)).count(), 1);
    let repeated = |one: &&Recorded| **one == Recorded::Repeated;
    assert_eq!(recorded.iter().filter(repeated).count(), 19);
    assert_eq!(bench.books(&task_id("r")).await.success_count, 1);
}
