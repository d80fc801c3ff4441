//! Results on `MariaDB`, beyond what every store must do: many gateways, other people's locks,
//! callers that go away, and the outbox.

mod cancelled;
mod interleavings;
mod locks;
mod outbox;
mod rows;
pub(crate) mod tables;

use std::sync::Arc;

use gateway_core::domain::run::{Recorded, Report, RunStatus, Tally};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{ResultError, ResultStore};

use crate::support::{run_id, worker_id};

/// A report by `w`, who all runs belong to.
fn report(run: &str, status: RunStatus, second: i64) -> Report {
    let at = Timestamp::from_second(1_800_000_000 + second).expect("is a time");
    Report::new(run_id(run), worker_id("w"), status, at)
}

fn success(run: &str) -> Report {
    report(run, RunStatus::Success, 1)
}

const SUCCEEDED: Recorded = Recorded::Changed {
    started: false,
    tally: Some(Tally::Success),
};

/// Makes all `reports` at once; what came of each.
async fn record_all(
    store: &Arc<dyn ResultStore>,
    reports: Vec<Report>,
) -> Vec<Result<Recorded, ResultError>> {
    let calls = reports.into_iter().map(|report| {
        let store = store.clone();
        tokio::spawn(async move { store.record(&report).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut recorded = Vec::new();
    for call in calls {
        recorded.push(call.await.expect("does not panic"));
    }
    recorded
}
