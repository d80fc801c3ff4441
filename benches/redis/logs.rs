use std::convert::Infallible;
use std::sync::atomic::Ordering;

use crate::measure::{Done, lasts, measure};
use crate::proto::LogEntry;
use crate::table::Table;
use crate::testbed::Testbed;
use crate::worker::{Worker, connect};
use crate::{Outcome, Scale};

const RUNS: u32 = 100;
const CALLERS: u32 = 16;
const CONNECTIONS: u32 = 8;
const LINES: i64 = 100;

/// How many log lines are taken in batches, and what each costs.
pub(crate) async fn run(scale: Scale, table: &mut Table) -> Outcome<()> {
    let testbed = Testbed::start().await?;
    let channels = connect(testbed.gateway.address, CONNECTIONS).await?;
    let done = Done::default();
    let mut callers = Vec::new();
    for (caller, channel) in (0..CALLERS).zip(channels.iter().cycle()) {
        // A run is the worker's that wrote for it first.
        let worker = Worker::new(caller, channel)?;
        let runs = (0..RUNS).filter(|run| run % CALLERS == caller);
        let runs = runs.map(|run| format!("run-{run:032x}"));
        callers.push(send(worker, runs.collect(), done.clone()));
    }
    // Long enough for streams to have become as long as they may.
    let (warm_up, work) = (lasts(scale.seconds(10)), lasts(scale.seconds(10)));
    let spent = measure(&testbed, &done, callers, warm_up, work).await?;
    let (rate, gateway) = (spent.rate(), spent.gateway_micros());
    table.add("log lines a second", format!("{rate:.0}"), ">= 150000");
    table.add(
        "  CPU of the gateway each",
        format!("{gateway:.2} µs"),
        "<= 3 µs",
    );
    table.add(
        "  CPU of Redis each",
        format!("{:.2} µs", spent.redis_micros()),
        "",
    );
    Ok(())
}

async fn send(worker: Worker, runs: Vec<String>, done: Done) -> Outcome<Infallible> {
    for first in (1..).step_by(usize::try_from(LINES)?) {
        for run in &runs {
            let lines = first..first + LINES;
            worker
                .log(lines.map(|number| line(run, number)).collect())
                .await?;
            done.fetch_add(LINES.cast_unsigned(), Ordering::Relaxed);
        }
    }
    Err("there are no more numbers for lines".into())
}

/// 80 characters, as they commonly are.
fn line(run: &str, sequence: i64) -> LogEntry {
    LogEntry {
        run_id: run.to_owned(),
        log_type: "stdout".into(),
        content: format!(
            "2026-11-22 12:00:00 [scrapy.core.engine] INFO: Crawled (200) GET /item/{sequence:08}"
        ),
        timestamp: "2026-11-22T12:00:00.123456+00:00".into(),
        sequence,
    }
}
