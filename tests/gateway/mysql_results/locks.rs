use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::run::Recorded;
use gateway_core::ports::{Cause, KnownOutage, ResultError, ResultStore};
use mysql_async::prelude::Queryable as _;
use tokio::time::timeout;

use super::cancelled::no_transaction_is_open;
use super::tables::Tables;
use super::{SUCCEEDED, record_all, success};
use crate::support::servers::{MariaDb, until};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_no_failure() {
    const ROUNDS: usize = 20;
    // Its counts of deadlocks, and of waits, are nobody else's.
    let server = MariaDb::start().await;
    let tables = Tables::on(&server, "Asia/Shanghai").await;
    let runs: Vec<_> = (0..ROUNDS).map(|number| format!("r-{number}")).collect();
    tables.open("w", "t", &runs).await;
    let store: Arc<dyn ResultStore> = Arc::new(tables.store(PATIENCE, None).await);
    let mut other = tables.database.connect().await;

    for run in &runs {
        // They take the task and then the run; we, the run and then the task.
        let task = "BEGIN; SELECT id FROM scheduled_tasks FOR UPDATE";
        other.query_drop(task).await.expect("locks");
        let (store, report) = (store.clone(), success(run));
        let recorded = tokio::spawn(async move { store.record(&report).await });
        somebody_waits_for_a_lock(&server).await;
        let run = format!("SELECT id FROM task_executions WHERE run_id = '{run}' FOR UPDATE");
        // One of both is rolled back.
        let _theirs = other.query_drop(run).await;
        other.query_drop("COMMIT").await.expect("ends");

        let recorded = recorded.await.expect("does not panic");
        assert_eq!(recorded.expect("records"), SUCCEEDED);
    }
    let status = "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'";
    let counted = server.query(status).await;
    let deadlocks: usize = counted[0][1].parse().expect("is a number");
    assert!(deadlocks >= ROUNDS, "{deadlocks} deadlocks");
    assert_eq!(tables.books("t").await.success_count, ROUNDS as u64);
}

/// Waits until somebody waits for a row.
async fn somebody_waits_for_a_lock(server: &MariaDb) {
    let waits = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'";
    until("somebody waits for a lock", || async {
        (server.query(waits).await[0][1] == "1").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_a_stranger_holds_concerns_its_own_run_alone() {
    let server = MariaDb::start().await;
    let tables = Tables::on(&server, "Asia/Shanghai").await;
    let runs: Vec<_> = (0..100).map(|number| format!("r-{number}")).collect();
    tables.open("w", "t", &runs).await;
    let deadline = Duration::from_secs(1);
    let store: Arc<dyn ResultStore> = Arc::new(tables.store(deadline, None).await);
    let mut stranger = tables.database.connect().await;
    let lock = "BEGIN; SELECT id FROM task_executions WHERE run_id = 'r-7' FOR UPDATE";
    stranger.query_drop(lock).await.expect("locks");

    let reports = runs.iter().map(|run| success(run)).collect();
    let recorded = record_all(&store, reports).await;
    for (number, recorded) in recorded.into_iter().enumerate() {
        match recorded {
            Ok(recorded) => assert_eq!((recorded, number == 7), (SUCCEEDED, false)),
            Err(error) => {
                assert!(matches!(error, ResultError::Unavailable(_)), "{error}");
                assert_eq!(number, 7);
            }
        }
    }
    let status = store.status(&success("r-7").run).await;
    assert_eq!(status.expect("reads without a lock"), None);

    stranger.query_drop("COMMIT").await.expect("ends");
    no_transaction_is_open(&tables).await;
    let recorded = store.record(&success("r-7")).await.expect("records");
    assert!(matches!(
        recorded,
        Recorded::Changed { .. } | Recorded::Repeated
    ));
    assert_eq!(tables.books("t").await.success_count, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_let_go_in_time_is_written() {
    let server = MariaDb::start().await;
    let tables = Tables::on(&server, "Asia/Shanghai").await;
    tables.open("w", "t", &["r".to_owned()]).await;
    let store: Arc<dyn ResultStore> = Arc::new(tables.store(PATIENCE, None).await);
    let mut stranger = tables.database.connect().await;
    let lock = "BEGIN; SELECT id FROM task_executions FOR UPDATE";
    stranger.query_drop(lock).await.expect("locks");

    let call = store.clone();
    let recorded = tokio::spawn(async move { call.record(&success("r")).await });
    somebody_waits_for_a_lock(&server).await;
    stranger.query_drop("COMMIT").await.expect("ends");
    let recorded = recorded.await.expect("does not panic");
    assert_eq!(recorded.expect("records"), SUCCEEDED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_again_and_again_lose_nothing() {
    const RUNS: usize = 2_000;
    let server = MariaDb::start().await;
    let tables = Tables::on(&server, "Asia/Shanghai").await;
    let runs: Vec<_> = (0..RUNS).map(|number| format!("r-{number}")).collect();
    tables.open("w", "t", &runs).await;
    let store: Arc<dyn ResultStore> = Arc::new(tables.store(PATIENCE, None).await);

    let mut calls = tokio::task::JoinSet::new();
    for share in runs.chunks(RUNS / 50) {
        let (store, share) = (store.clone(), share.to_owned());
        calls.spawn(async move {
            for run in share {
                // Where the link was known to be away, the caller asks again.
                let report = success(&run);
                until("it is recorded", || async {
                    store.record(&report).await.ok()
                })
                .await;
            }
        });
    }
    while !calls.is_empty() {
        server.kill_connections().await;
        // Some get through before the next cut.
        let one = timeout(Duration::from_millis(50), calls.join_next()).await;
        one.ok().flatten().transpose().expect("does not panic");
    }
    assert_eq!(tables.books("t").await.success_count, RUNS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_known_and_ends() {
    let server = MariaDb::start().await;
    let tables = Tables::on(&server, "Asia/Shanghai").await;
    tables.open("w", "t", &["r".to_owned()]).await;
    let store: Arc<dyn ResultStore> = Arc::new(tables.store(PATIENCE, None).await);
    server.kill();
    until("the outage is known", || async {
        let refused = store.record(&success("r")).await;
        let Err(ResultError::Unavailable(cause)) = refused else {
            panic!("{refused:?}");
        };
        is_known(&cause).then_some(())
    })
    .await;

    server.restart().await;
    until("it is recorded", || async {
        store.record(&success("r")).await.ok()
    })
    .await;
    let counted = "SELECT success_count FROM scheduled_tasks";
    assert_eq!(tables.database.query(counted).await, [["1"]]);
}

fn is_known(cause: &Cause) -> bool {
    let mut deeper: Option<&(dyn std::error::Error + 'static)> = Some(&**cause);
    while let Some(error) = deeper {
        if error.is::<KnownOutage>() {
            return true;
        }
        deeper = error.source();
    }
    false
}
