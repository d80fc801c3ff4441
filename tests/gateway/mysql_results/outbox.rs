use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gateway_adapters::outbound::mysql;
use gateway_core::domain::id::RunId;
use gateway_core::domain::run::{Report, RunStatus};
use gateway_core::ports::{FeedError, ResultFeed, ResultStore as _};

use super::tables::Tables;
use super::{report, success};
use crate::support::servers::until;

const PATIENCE: Duration = Duration::from_secs(30);

/// Hears of reports, unless it is away.
#[derive(Default)]
struct Feed {
    away: AtomicBool,
    asked: AtomicUsize,
    told: Mutex<Vec<Report>>,
}

impl Feed {
    fn told(&self) -> Vec<Report> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clone()
    }
}

#[async_trait]
impl ResultFeed for Feed {
    async fn publish(&self, reports: &[Report]) -> Result<(), FeedError> {
        if !reports.is_empty() {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
        if self.away.load(Ordering::Relaxed) {
            return Err(FeedError::Unavailable("away".into()));
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.extend_from_slice(reports);
        Ok(())
    }
}

async fn tables(runs: usize) -> (Tables, Vec<String>) {
    let tables = Tables::new("Asia/Shanghai").await;
    let runs: Vec<_> = (0..runs).map(|number| format!("r-{number}")).collect();
    tables.open("w", "t", &runs).await;
    (tables, runs)
}

async fn drained(store: &mysql::ResultStore) {
    until("the outbox is empty", || async {
        (store.unpublished().await.expect("counts") == 0).then_some(())
    })
    .await;
}

/// What was told, each once, in the order of the first time.
fn first_times(told: Vec<Report>) -> Vec<(RunId, RunStatus)> {
    let mut first = Vec::new();
    for report in told {
        let said = (report.run, report.status);
        if !first.contains(&said) {
            first.push(said);
        }
    }
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_is_published_though_feed_and_gateway_fail() {
    let (tables, runs) = tables(50).await;
    let feed = Arc::new(Feed::default());
    feed.away.store(true, Ordering::Relaxed);
    let store = tables.store(PATIENCE, Some(feed.clone())).await;
    let mut said = Vec::new();
    for run in &runs {
        for report in [report(run, RunStatus::Running, 0), success(run)] {
            // The second is not news.
            store.record(&report).await.expect("records");
            store.record(&report).await.expect("records");
            said.push((report.run, report.status));
        }
    }
    assert_eq!(store.unpublished().await.expect("counts"), 100);
    until("the feed is asked", || async {
        (feed.asked.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;
    assert!(feed.told().is_empty());

    drop(store);
    feed.away.store(false, Ordering::Relaxed);
    let next = tables.store(PATIENCE, Some(feed.clone())).await;
    drained(&next).await;
    assert_eq!(first_times(feed.told()), said);
    let told = feed.told().into_iter().last().expect("is there");
    assert_eq!(told, success(&runs[49]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_gateways_publish_in_order() {
    let (tables, runs) = tables(300).await;
    let feed = Arc::new(Feed::default());
    let gateways = [
        tables.store(PATIENCE, Some(feed.clone())).await,
        tables.store(PATIENCE, Some(feed.clone())).await,
    ];
    let mut said = Vec::new();
    for (run, gateway) in runs.iter().zip(gateways.iter().cycle()) {
        let recorded = gateway.record(&success(run)).await.expect("records");
        assert_eq!(recorded, super::SUCCEEDED);
        said.push((success(run).run, RunStatus::Success));
    }
    drained(&gateways[0]).await;
    assert_eq!(first_times(feed.told()), said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_is_no_result_holds_nobody_up() {
    let (tables, runs) = tables(1).await;
    for text in ["", "{}", "[1]", r#"{"run_id": "a:b"}"#] {
        let sql = format!("INSERT INTO gateway_outbox (fields, created_at) VALUES ('{text}', 0)");
        tables.execute(&format!("SET sql_mode = ''; {sql}")).await;
    }
    let feed = Arc::new(Feed::default());
    let store = tables.store(PATIENCE, Some(feed.clone())).await;
    store.record(&success(&runs[0])).await.expect("records");

    drained(&store).await;
    assert_eq!(feed.told(), [success(&runs[0])]);
}
