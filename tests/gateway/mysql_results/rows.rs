use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::run::{Data, Recorded, Report, RunStatus};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{ResultError, ResultStore};
use serde_json::{Value, json};

use super::tables::{Tables, public_id};
use super::{SUCCEEDED, record_all, report, success};
use crate::support::run_id;

async fn tables(runs: usize) -> (Tables, Arc<dyn ResultStore>) {
    let tables = Tables::new("Asia/Shanghai").await;
    let runs: Vec<_> = (0..runs).map(|number| format!("r-{number}")).collect();
    tables.open("w", "t", &runs).await;
    let store = tables.store(Duration::from_secs(30), None).await;
    (tables, Arc::new(store))
}

fn with_data(run: &str, data: &Value) -> Report {
    let data = Data::parse(&data.to_string()).expect("is an object");
    Report {
        data,
        ..success(run)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_the_master_wrote_stands() {
    let (tables, store) = tables(2).await;
    tables
        .execute("UPDATE task_executions SET status = 'cancelled' WHERE run_id = 'r-0'")
        .await;
    tables
        .execute("UPDATE task_executions SET status = 'failed', runtime_status = 'running'")
        .await;

    let ended = RunStatus::Failed;
    let recorded = store.record(&success("r-0")).await.expect("records");
    assert_eq!(recorded, Recorded::Conflict { ended });
    let recorded = store.record(&report("r-1", ended, 1)).await;
    assert_eq!(recorded.expect("records"), Recorded::Repeated);
    let status = store.status(&run_id("r-0")).await.expect("reads");
    assert_eq!(status, Some(ended));
    assert_eq!(tables.books("t").await.success_count, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_has_two_names_and_the_first_counts_first() {
    let (tables, store) = tables(2).await;
    let by_public_id = run_id(&public_id("r-0"));
    assert_eq!(store.status(&by_public_id).await.expect("reads"), None);
    let recorded = store.record(&success(by_public_id.as_str())).await;
    assert_eq!(recorded.expect("records"), SUCCEEDED);
    let known = store.status(&run_id("r-0")).await.expect("reads");
    assert_eq!(known, Some(RunStatus::Success));

    // The name of one is the other's public one.
    tables
        .execute("UPDATE task_executions SET public_id = 'r-0' WHERE run_id = 'r-1'")
        .await;
    let recorded = store.record(&success("r-0")).await.expect("records");
    assert_eq!(recorded, Recorded::Repeated);
    // Collations do not tell capitals from small letters, and we do.
    let unknown = store.record(&success("R-0")).await;
    assert!(matches!(unknown, Err(ResultError::UnknownRun(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_nobodys_is_anybodys() {
    let (tables, store) = tables(1).await;
    tables
        .execute("UPDATE task_executions SET worker_id = NULL")
        .await;
    tables.execute("DELETE FROM workers").await;

    let recorded = store.record(&success("r-0")).await;
    assert_eq!(recorded.expect("records"), SUCCEEDED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_made_anew_is_known_by_its_new_id() {
    let (tables, store) = tables(2).await;
    store.record(&success("r-0")).await.expect("records");
    tables.execute("DELETE FROM workers").await;
    let refused = store.record(&success("r-1")).await;
    // What is remembered still grants; the row is that worker's.
    assert_eq!(refused.expect("records"), SUCCEEDED);

    tables.open("w", "t", &["r-9".to_owned()]).await;
    let recorded = store.record(&success("r-9")).await;
    assert_eq!(recorded.expect("records"), SUCCEEDED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_fails_alone() {
    let (tables, store) = tables(40).await;
    let mut deep = json!(1);
    for _ in 0..60 {
        deep = json!([deep]);
    }
    let mut reports: Vec<_> = (0..40)
        .map(|number| success(&format!("r-{number}")))
        .collect();
    reports[7] = with_data("r-7", &json!({ "deep": deep }));
    reports[9].at = Timestamp::MIN;

    for (number, recorded) in record_all(&store, reports).await.into_iter().enumerate() {
        match recorded {
            Ok(recorded) => {
                assert_eq!(recorded, SUCCEEDED, "{number}");
                assert!(![7, 9].contains(&number), "{number}");
            }
            Err(error) => {
                assert!(matches!(error, ResultError::Unwritable { .. }), "{error:?}");
                assert!([7, 9].contains(&number), "{number}: {error}");
                let told = error.to_string();
                let ours = [
                    "cannot hold one of its values",
                    "not within the years 1000 to 9999",
                ];
                assert!(ours.iter().any(|words| told.ends_with(words)), "{told}");
            }
        }
    }
    assert_eq!(tables.books("t").await.success_count, 38);
    assert_eq!(store.status(&run_id("r-7")).await.expect("reads"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_text_arrives_as_it_was() {
    let (tables, store) = tables(1).await;
    let long = "內 \u{0}\u{1f}\"\\/\u{2028}😀".repeat(20_000);
    let said = Report {
        error_message: long.clone(),
        ..with_data("r-0", &json!({ "long": long, "\u{0}": 1.5, "": [true] }))
    };
    let recorded = store.record(&said).await.expect("records");
    assert_eq!(recorded, SUCCEEDED);

    let found = tables.outcome("r-0").await;
    assert_eq!(found.error_message.as_ref(), Some(&said.error_message));
    assert_eq!(found.data, said.data);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_object_gives_way_to_data_and_to_nothing_else() {
    let (tables, store) = tables(2).await;
    for text in ["{\"broken", "[1]"] {
        let run = if text == "[1]" { "r-1" } else { "r-0" };
        tables.execute("SET check_constraint_checks = 0").await;
        let sql = format!("UPDATE task_executions SET result_data = '{text}'");
        tables
            .execute(&format!("{sql} WHERE run_id = '{run}'"))
            .await;
        let recorded = store.record(&report(run, RunStatus::Running, 0)).await;
        assert!(matches!(recorded, Ok(Recorded::Changed { .. })));
    }
    let left = "SELECT result_data FROM task_executions ORDER BY run_id";
    assert_eq!(tables.database.query(left).await, [["NULL"], ["[1]"]]);
    let recorded = store.record(&with_data("r-1", &json!({ "a": 1 }))).await;
    assert_eq!(recorded.expect("records"), SUCCEEDED);
    assert_eq!(
        tables.outcome("r-1").await.data,
        with_data("r-1", &json!({ "a": 1 })).data
    );
}
