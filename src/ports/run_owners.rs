use async_trait::async_trait;

use crate::domain::id::{RunId, WorkerId};
use crate::ports::Cause;

/// Who remembers which worker a run belongs to.
///
/// A run is forgotten when nothing was heard of it for long. Where memory is bounded by number, it
/// may be forgotten sooner, when too many are known.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait RunOwners: Send + Sync {
    /// Makes `run` the run of `worker`, because it is handed to it. The scheduler decides who runs
    /// what: it may move a run from one worker to another.
    async fn assign(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError>;

    /// Makes sure that `run` is `worker`'s; a run that nobody owns becomes its.
    ///
    /// # Errors
    ///
    /// [`OwnerError::NotTheirs`] if it is another's.
    async fn claim(&self, run: &RunId, worker: &WorkerId) -> Result<Claim, OwnerError>;

    /// Takes a claim of `worker`'s back that turned out to be false. Of a run that is another's, or
    /// nobody's, nothing comes.
    async fn disown(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError>;
}

/// How a claim came out right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The run was the worker's.
    Known,
    /// The run was nobody's, and is the worker's from now on.
    First,
}

/// Why a run could not be claimed.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    /// The run is another worker's.
    #[error("run {run} is not {worker}'s")]
    NotTheirs {
        /// The run.
        run: RunId,
        /// Who claimed it.
        worker: WorkerId,
    },
    /// It cannot be told now.
    #[error("the owner of the run cannot be told for now")]
    Unavailable(#[source] Cause),
}
