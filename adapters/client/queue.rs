use std::process::ExitCode;

use gateway_core::domain::time::Timestamp;
use gateway_core::ports::Clock;

use super::api::Api;
use super::runs::duration;
use super::table::table;
use super::{ClientError, Console, wire};

/// How to show what waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Queue {
    /// Print JSON.
    pub json: bool,
}

/// So many dead letters come with the queues, at the most.
const LISTED: usize = 100;

pub(super) fn run(
    api: &Api<'_>,
    clock: &dyn Clock,
    asked: Queue,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    const PATH: &str = "/api/queue";
    if asked.json {
        return console.json(&api.read(PATH)?);
    }
    let wire::Queues { queues, dead } = api.read(PATH)?;
    let now = clock.now();
    let rows: Vec<_> = queues.iter().map(|queue| row(queue, now)).collect();
    console.lines(&table(["WORKER", "WAITING", "HELD", "OLDEST"], &rows))?;
    let or_more = if dead.len() < LISTED { "" } else { " or more" };
    let count = format!("dead letters: {}{or_more}", dead.len());
    console.lines(&[count])
}

fn row(queue: &wire::Queue, now: Timestamp) -> [String; 4] {
    let oldest = queue.oldest.as_deref().and_then(|at| at.parse().ok());
    [
        queue.worker_id.clone(),
        queue.waiting.to_string(),
        queue.held.to_string(),
        oldest.map(|at| age(at, now)).unwrap_or_default(),
    ]
}

/// How long ago `at` was. The gateway's clock may be ahead of ours.
fn age(at: Timestamp, now: Timestamp) -> String {
    duration(now.duration_since(at).as_secs_f64().max(0.0))
}
