use std::time::Duration;

use async_trait::async_trait;

use crate::domain::control::{Command, Recipient, Reply};
use crate::domain::id::{RequestId, RunId, TaskId, WorkerId};
use crate::domain::log::{LogLine, LogStream};
use crate::domain::run::Run;
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::domain::worker::{Load, Os, WorkerStatus};
use crate::ports::Cause;

/// The other side of the gateway: what a scheduler puts in and an operator looks at.
///
/// Workers never come here. It serves the tools of an operator, and stands in for the Master where
/// there is none.
#[async_trait]
pub trait Master: Send + Sync {
    /// Queues `task` for `worker`, and opens its run.
    ///
    /// # Errors
    ///
    /// [`MasterError::RunExists`] if there is such a run, [`MasterError::Full`] if there is no
    /// room.
    async fn enqueue(&self, worker: &WorkerId, task: Task) -> Result<(), MasterError>;

    /// Sends `command`.
    ///
    /// # Errors
    ///
    /// [`MasterError::Full`] if there is no room.
    async fn send(&self, to: &Recipient, command: Command) -> Result<(), MasterError>;

    /// The replies to `request`, waiting up to `wait` for the first.
    async fn replies(
        &self,
        request: &RequestId,
        wait: Duration,
    ) -> Result<Vec<(WorkerId, Reply)>, MasterError>;

    /// All runs that are known, the newest first.
    async fn runs(&self) -> Result<Vec<RunView>, MasterError>;

    /// One run.
    async fn run(&self, run: &RunId) -> Result<Option<RunView>, MasterError>;

    /// The log lines of `run` from number `from` on, a page at the most, waiting up to `wait` for
    /// the first or for the run to end.
    async fn lines(&self, run: &RunId, from: u64, wait: Duration) -> Result<LogPage, MasterError>;

    /// What is held of a log file from its beginning on, and whether that is all of it.
    async fn file(
        &self,
        run: &RunId,
        stream: LogStream,
    ) -> Result<Option<(Vec<u8>, bool)>, MasterError>;

    /// The workers that were heard of within the heartbeat timeout.
    async fn workers(&self) -> Result<Vec<WorkerView>, MasterError>;

    /// What waits and what is held, of each worker that has something.
    async fn queues(&self) -> Result<Vec<QueueView>, MasterError>;
}

/// A run, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct RunView {
    /// The run.
    pub id: RunId,
    /// Its task.
    pub task: TaskId,
    /// Whose it is.
    pub worker: WorkerId,
    /// When it was queued.
    pub created_at: Timestamp,
    /// What is known of it.
    pub run: Run,
}

/// A page of a run's log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The lines, by rising numbers.
    pub lines: Vec<NumberedLine>,
    /// The number to go on from.
    pub next: u64,
    /// Lines that were asked for and are kept no more.
    pub dropped: u64,
    /// Whether the run has ended and the log has been read to its end.
    pub ended: bool,
}

/// A log line and its place among those of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedLine {
    /// Counted from 0.
    pub index: u64,
    /// The line.
    pub line: LogLine,
}

/// A worker, for people.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerView {
    /// The worker.
    pub id: WorkerId,
    /// What it is up to.
    pub status: WorkerStatus,
    /// How busy it is.
    pub load: Load,
    /// Its version.
    pub version: String,
    /// What it runs on.
    pub os: Os,
    /// What it can do.
    pub capabilities: std::collections::BTreeMap<String, String>,
    /// When it was last heard of.
    pub at: Timestamp,
}

/// A worker's queue, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Whose it is.
    pub worker: WorkerId,
    /// Tasks that wait.
    pub waiting: usize,
    /// Tasks in the worker's hands.
    pub held: usize,
    /// When the oldest of all these was queued, or given back the last time.
    pub oldest: Option<Timestamp>,
}

/// Why a [`Master`] could not serve.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// There is such a run already.
    #[error("run {0} exists already")]
    RunExists(RunId),
    /// There is no room.
    #[error("no room for more {0}")]
    Full(&'static str),
    /// Only the platform's own Master knows: the backend keeps nothing of the kind.
    #[error("{0} are not kept here: only the platform's Master knows them")]
    NotKept(&'static str),
    /// It is out of reach.
    #[error("the backend is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
