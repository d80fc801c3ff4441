use async_trait::async_trait;

use crate::domain::id::{RunId, SpoolId};
use crate::domain::run::{Report, RunStatus};
use crate::domain::time::Timestamp;
use crate::ports::Cause;

/// Where results wait for a store that is away. Any number of gateways share it.
///
/// What is put in stays until it is settled, whatever becomes of those who took it; so a
/// report can be taken more than once, and whoever writes it must bear that.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Spool: Send + Sync {
    /// Puts `report` at the end. When it answers, the report outlives this process.
    ///
    /// # Errors
    ///
    /// [`SpoolError::Unavailable`]; the report may or may not be in it then.
    async fn put(&self, report: &Report) -> Result<(), SpoolError>;

    /// Takes up to `limit` reports, the oldest first. Nobody else gets them until they are
    /// released, or for a while: whoever took them may be gone.
    async fn take(&self, limit: usize) -> Result<Vec<Waiting>, SpoolError>;

    /// Takes these away: their reports are where they belong. Those that are gone already are
    /// passed over.
    async fn settle(&self, entries: &[SpoolId]) -> Result<(), SpoolError>;

    /// Lets others take these at once. Those that are gone already are passed over.
    async fn release(&self, entries: &[SpoolId]) -> Result<(), SpoolError>;

    /// Makes a dead letter of `report`, which can never be written; it need not come from here.
    /// Repeated, it may make two.
    async fn bury(&self, report: &Report, reason: &str) -> Result<(), SpoolError>;

    /// How the run ended by a report that waits here or did lately; none if none tells of an end.
    async fn ended(&self, run: &RunId) -> Result<Option<RunStatus>, SpoolError>;

    /// How much waits.
    async fn backlog(&self) -> Result<Backlog, SpoolError>;
}

/// A report that waits in a [`Spool`].
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// What it is settled by.
    pub id: SpoolId,
    /// What was reported.
    pub report: Report,
    /// When it was put in.
    pub since: Timestamp,
}

/// How much waits in a [`Spool`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Reports.
    pub depth: u64,
    /// When the oldest was put in.
    pub oldest: Option<Timestamp>,
}

/// Why a [`Spool`] did not serve.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// It is out of reach.
    #[error("the spool of results is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
