//! The contract of `ResultFeed`.

use std::sync::Arc;

use futures::future::join_all;
use gateway_core::domain::run::{Report, RunStatus};
use gateway_core::ports::ResultFeed;

use super::spool::report;

/// A backend that tells somebody of results.
pub(super) trait Feeds {
    fn feed(&self) -> Arc<dyn ResultFeed>;

    /// Whoever was told of, and the run and status each time.
    async fn told(&self) -> Vec<(String, String)>;
}

contract!(redis, cluster => {
    reports_are_told_of_in_their_order,
    nothing_is_told_of_nothing,
    whoever_tells_at_once_is_heard_once,
});

fn reports(count: usize) -> Vec<Report> {
    let runs = (0..count).map(|count| format!("r-{count}"));
    runs.map(|of| report(&of, RunStatus::Success)).collect()
}

fn named(reports: &[Report]) -> Vec<(String, String)> {
    let named = |report: &Report| (report.run.to_string(), report.status.as_str().to_owned());
    reports.iter().map(named).collect()
}

async fn reports_are_told_of_in_their_order(bench: &impl Feeds) {
    let mut reports = reports(1200);
    // One that fills a call by itself, and one that does not go with it any more.
    reports[3].error_message = "x".repeat(2 << 20);
    reports[4].status = RunStatus::Running;

    let published = bench.feed().publish(&reports).await;
    published.expect("publishes");
    assert_eq!(bench.told().await, named(&reports));
}

async fn nothing_is_told_of_nothing(bench: &impl Feeds) {
    bench.feed().publish(&[]).await.expect("publishes");
    assert_eq!(bench.told().await, []);
}

async fn whoever_tells_at_once_is_heard_once(bench: &impl Feeds) {
    let (feed, reports) = (bench.feed(), reports(100));
    let calls = reports.chunks(1).map(|one| feed.publish(one));
    for published in join_all(calls).await {
        published.expect("publishes");
    }

    let (mut told, mut wanted) = (bench.told().await, named(&reports));
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
}
