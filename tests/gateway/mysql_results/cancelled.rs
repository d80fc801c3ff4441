use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::run::Recorded;
use gateway_core::ports::ResultStore;
use rand::random_range;
use tokio::time::timeout;

use super::tables::Tables;
use super::{record_all, success};
use crate::support::servers::{MariaDb, until};

const RUNS: usize = 2_000;

// R21
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_go_away_leave_nothing_behind() {
    let server = MariaDb::start().await;
    let tables = Tables::on(&server, "Asia/Shanghai").await;
    let runs: Vec<_> = (0..RUNS).map(|number| format!("r-{number}")).collect();
    tables.open("w", "t", &runs).await;
    let store: Arc<dyn ResultStore> = Arc::new(tables.store(Duration::from_secs(30), None).await);

    let calls = runs.iter().map(|run| {
        let (store, report) = (store.clone(), success(run));
        let patience = Duration::from_micros(random_range(0..100_000));
        tokio::spawn(async move { timeout(patience, store.record(&report)).await.is_ok() })
    });
    let calls: Vec<_> = calls.collect();
    let mut heard = 0;
    for call in calls {
        heard += usize::from(call.await.expect("does not panic"));
    }
    assert!(heard < RUNS, "nobody went away");
    no_transaction_is_open(&tables).await;

    let again = runs.iter().map(|run| success(run)).collect();
    for recorded in record_all(&store, again).await {
        let recorded = recorded.expect("records");
        assert!(matches!(
            recorded,
            Recorded::Changed { .. } | Recorded::Repeated
        ));
    }
    let books = tables.books("t").await;
    assert_eq!(books.success_count, RUNS as u64);
}

/// Waits until the gateway has no transaction in these tables, on a server where nobody else asks:
/// what it tells is renewed only when nobody has looked for a tenth of a second.
pub(super) async fn no_transaction_is_open(tables: &Tables) {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.innodb_trx x \
         JOIN information_schema.processlist p ON p.id = x.trx_mysql_thread_id \
         WHERE p.db = '{}' AND p.user = 'gateway'",
        tables.database.name
    );
    until("no transaction is open", || async {
        tables.database.query("DO SLEEP(0.2)").await;
        (tables.database.query(&sql).await == [["0"]]).then_some(())
    })
    .await;
}
