use async_trait::async_trait;

use crate::domain::id::{RunId, WorkerId};
use crate::domain::run::{Recorded, Report, RunStatus};
use crate::ports::Cause;

/// Who keeps what became of runs.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ResultStore: Send + Sync {
    /// Takes `report` in by the rules of [`Run::record`](crate::domain::run::Run::record), run and
    /// task together. When it answers, the outcome is durable, as far as the store is.
    ///
    /// # Errors
    ///
    /// [`ResultError::UnknownRun`], as runs are never made here, [`ResultError::NotTheirs`] if the
    /// run was given to another worker, and [`ResultError::Unwritable`] if the store cannot hold
    /// what the report says. Nothing is changed then.
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError>;

    /// How far `run` is; none before the first report.
    ///
    /// # Errors
    ///
    /// [`ResultError::UnknownRun`] if there is no such run.
    async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, ResultError>;
}

/// Why a [`ResultStore`] did not serve.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// There is no such run.
    #[error("run {0} is unknown")]
    UnknownRun(RunId),
    /// The run is another worker's.
    #[error("run {run} is not {worker}'s")]
    NotTheirs {
        /// The run.
        run: RunId,
        /// Who reported it.
        worker: WorkerId,
    },
    /// What the report says does not fit in the store, and never will.
    #[error("the result of run {run} cannot be written: {reason}")]
    Unwritable {
        /// The run.
        run: RunId,
        /// What does not fit, for the worker's eyes as well.
        reason: String,
    },
    /// The store is out of reach; the report may or may not be in it.
    #[error("result storage is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
