use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::ports::AuthError;

/// Who knows which workers there are.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WorkerDirectory: Send + Sync {
    /// Whether `worker` is known to be one, without asking anybody.
    fn recalls(&self, worker: &WorkerId) -> bool;

    /// Whether there is such a worker, and it may come in.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unavailable`] if that cannot be told now, and no other.
    async fn knows(&self, worker: &WorkerId) -> Result<bool, AuthError>;
}
