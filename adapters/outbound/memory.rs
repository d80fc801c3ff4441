//! Every port in this process: real and bounded, for a laptop, for examples and for tests.
//!
//! Nothing outlives the process. Everything else is as on the other backends, which pass the same
//! contract tests. Each adapter guards its state with one short lock and runs no task of its own:
//! what is over is noticed by the next call, and whoever waits sets a timer for it.
//!
//! [`Backend`] makes those that belong together; [`ApiKeys`], [`SigningKeys`], [`Nonces`],
//! [`Attempts`], [`Open`], [`Limiter`], [`Unlimited`] and [`AuditLog`] stand for themselves and serve
//! beside other backends, too.

mod api_keys;
mod attempts;
mod audit_log;
mod bounded;
mod control_channel;
mod dead_letters;
mod guarded;
mod limiter;
mod log_sink;
mod master;
mod nonces;
mod open;
mod receipts;
mod result_store;
mod run_owners;
mod signing_keys;
mod task_queue;
mod waiting;
mod worker_registry;

pub use api_keys::{ApiKeys, Digest, KeysError};
pub use attempts::Attempts;
pub use audit_log::AuditLog;
pub use control_channel::ControlChannel;
pub use dead_letters::DeadLetters;
pub use limiter::{Limiter, Unlimited};
pub use log_sink::LogSink;
pub use master::Master;
pub use nonces::Nonces;
pub use open::Open;
pub use result_store::{Books, ResultStore};
pub use run_owners::RunOwners;
pub use signing_keys::{SigningKeys, SigningKeysError};
pub use task_queue::TaskQueue;
pub use worker_registry::WorkerRegistry;

use std::sync::Arc;
use std::time::Duration;

use gateway_core::ports::Clock;

use waiting::Bells;

/// How much is kept, and how long one waits for a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Tasks that wait or are held, of all workers together. Beyond it none is taken in.
    pub max_tasks: usize,
    /// Runs whose outcome is kept; the oldest that ended make room.
    pub max_runs: usize,
    /// Whether a report of a run that is not known opens it. It does where the scheduler is not
    /// among these adapters, so that nobody tells of runs.
    pub adopt_runs: bool,
    /// Workers that are known at once.
    pub max_workers: usize,
    /// Lines that are kept of one run; the oldest make room.
    pub log_lines_per_run: usize,
    /// What the lines of all runs may take.
    pub log_bytes: usize,
    /// What the log files of all runs may take.
    pub chunk_bytes: usize,
    /// What the data of all results may take.
    pub result_bytes: usize,
    /// How often workers are told to send a sign of life.
    pub heartbeat_interval: Duration,
    /// How long a worker may be silent until it counts as gone.
    pub heartbeat_timeout: Duration,
    /// What a worker is given beyond its task's own timeout.
    pub lease_grace: Duration,
    /// How long a worker may take to settle a command before it is told again.
    pub command_lease: Duration,
    /// How long a worker may take to reply to a request.
    pub reply_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_tasks: 10_000,
            max_runs: 20_000,
            adopt_runs: false,
            max_workers: 20_000,
            log_lines_per_run: 200_000,
            log_bytes: 256 << 20,
            chunk_bytes: 256 << 20,
            result_bytes: 256 << 20,
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(90),
            lease_grace: Duration::from_mins(1),
            command_lease: Duration::from_mins(1),
            reply_timeout: Duration::from_hours(1),
        }
    }
}

/// The adapters that share what they know.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port of the same name")]
pub struct Backend {
    pub control_channel: Arc<ControlChannel>,
    pub dead_letters: Arc<DeadLetters>,
    pub log_sink: Arc<LogSink>,
    pub master: Arc<Master>,
    pub result_store: Arc<ResultStore>,
    pub run_owners: Arc<RunOwners>,
    pub task_queue: Arc<TaskQueue>,
    pub worker_registry: Arc<WorkerRegistry>,
}

impl Backend {
    /// Makes them, empty.
    pub fn new(settings: &Settings, clock: &Arc<dyn Clock>) -> Self {
        // Whoever follows a run's log waits for lines and for the run's end alike.
        let bells = Arc::new(Bells::default());
        let control_channel = Arc::new(ControlChannel::new(settings));
        let log_sink = Arc::new(LogSink::new(settings, bells.clone()));
        let run_owners = Arc::new(RunOwners::new(settings));
        let result_store = Arc::new(ResultStore::new(settings, bells.clone()));
        let task_queue = Arc::new(TaskQueue::new(settings, clock.clone()));
        let worker_registry = Arc::new(WorkerRegistry::new(settings));
        let dead_letters = Arc::new(DeadLetters {
            result_store: result_store.clone(),
            task_queue: task_queue.clone(),
        });
        let master = Arc::new(Master {
            bells,
            clock: clock.clone(),
            control_channel: control_channel.clone(),
            log_sink: log_sink.clone(),
            result_store: result_store.clone(),
            run_owners: run_owners.clone(),
            task_queue: task_queue.clone(),
            worker_registry: worker_registry.clone(),
        });
        Self {
            control_channel,
            dead_letters,
            log_sink,
            master,
            result_store,
            run_owners,
            task_queue,
            worker_registry,
        }
    }
}

#[cfg(test)]
mod tests;
