use async_trait::async_trait;

use crate::domain::id::{RunId, TaskId, WorkerId};
use crate::domain::time::Timestamp;
use crate::ports::{MasterError, RunView};

/// Who knows what became of runs, for an operator who looks.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Makes a run known that an operator is about to queue, as of `at`.
    ///
    /// # Errors
    ///
    /// [`MasterError::RunExists`] if there is such a run, [`MasterError::Full`] if there is no
    /// room.
    async fn open(
        &self,
        run: &RunId,
        task: &TaskId,
        worker: &WorkerId,
        at: Timestamp,
    ) -> Result<(), MasterError>;

    /// Forgets a run that could not be queued after all.
    async fn withdraw(&self, run: &RunId) -> Result<(), MasterError>;

    /// All runs that are known, the newest first.
    async fn runs(&self) -> Result<Vec<RunView>, MasterError>;

    /// One run.
    async fn run(&self, run: &RunId) -> Result<Option<RunView>, MasterError>;
}
