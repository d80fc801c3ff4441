use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::args::Args;
use crate::tally::Tally;

/// What it came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    workers: usize,
    connections: usize,
    seconds: f64,
    tasks: Tasks,
    latency_ms: Latency,
    log_lines: u64,
    log_lines_per_second: f64,
    heartbeats: u64,
    controls: u64,
    /// By call and code.
    errors: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

#[derive(Debug, Serialize)]
struct Tasks {
    queued: u64,
    received: u64,
    acknowledged: u64,
    received_per_second: f64,
    lost: usize,
    duplicated: u64,
    /// Left behind by somebody else.
    strange: u64,
}

/// From the moment before a task is queued to the moment when a worker has it.
#[derive(Debug, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    #[serde(rename = "p99.9")]
    p999: f64,
    max: f64,
}

impl Report {
    pub(crate) fn new(args: &Args, tally: &Tally, took: Duration) -> Self {
        let counts = tally.counts();
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let rate = |count: u64| count as f64 / seconds;
        Self {
            workers: args.workers,
            connections: args.connections.unwrap_or(args.workers).min(args.workers),
            seconds,
            tasks: Tasks {
                queued: counts.queued,
                received: counts.received,
                acknowledged: counts.acknowledged,
                received_per_second: rate(counts.received),
                lost: counts.lost(),
                duplicated: counts.duplicated,
                strange: counts.strange,
            },
            latency_ms: Latency {
                p50: counts.latency_ms(0.5),
                p90: counts.latency_ms(0.9),
                p99: counts.latency_ms(0.99),
                p999: counts.latency_ms(0.999),
                max: counts.latency_ms(1.0),
            },
            log_lines: counts.lines,
            log_lines_per_second: rate(counts.lines),
            heartbeats: counts.heartbeats,
            controls: counts.controls,
            errors: counts.errors,
        }
    }

    /// Whether every task came.
    pub(crate) fn lost_none(&self) -> bool {
        self.tasks.lost == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tasks,
            latency_ms: ms,
            ..
        } = self;
        writeln!(
            f,
            "{} workers on {} connections for {:.1} s",
            self.workers, self.connections, self.seconds
        )?;
        writeln!(
            f,
            "tasks       {} queued, {} received ({:.0}/s), {} acknowledged",
            tasks.queued, tasks.received, tasks.received_per_second, tasks.acknowledged
        )?;
        writeln!(
            f,
            "            {} lost, {} duplicated, {} of others",
            tasks.lost, tasks.duplicated, tasks.strange
        )?;
        writeln!(
            f,
            "latency     p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
            ms.p50, ms.p90, ms.p99, ms.p999, ms.max
        )?;
        writeln!(
            f,
            "log lines   {} ({:.0}/s)",
            self.log_lines, self.log_lines_per_second
        )?;
        writeln!(
            f,
            "heartbeats  {}\ncontrols    {}",
            self.heartbeats, self.controls
        )?;
        for (call, codes) in &self.errors {
            for (code, count) in codes {
                writeln!(f, "error       {call}: {code} ({count} times)")?;
            }
        }
        Ok(())
    }
}
