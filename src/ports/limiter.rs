use std::time::Duration;

use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::domain::limit::Demand;
use crate::ports::Cause;

/// Who decides how much a worker may ask of us.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Takes what `worker` demands from what it may still have of that class.
    ///
    /// Bytes pass as long as any are left, and may leave a debt; while there is one, no call that
    /// brings more is let in.
    ///
    /// # Errors
    ///
    /// [`LimitError::Exceeded`] if it may not have it now. A demand that was refused costs nothing.
    async fn admit(&self, worker: &WorkerId, demand: Demand) -> Result<(), LimitError>;
}

/// Why a [`Limiter`] did not let a call in.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The worker has made all the calls it may make for now.
    #[error("rate limit exceeded; try again in {} ms", retry_after.as_millis())]
    Exceeded {
        /// When the next one is let in.
        retry_after: Duration,
        /// When it has its full allowance again, if it makes none until then.
        full_after: Duration,
    },
    /// So many are under way already that this one cannot begin.
    #[error("{what}; try again in {} ms", retry_after.as_millis())]
    Crowded {
        /// Of what there are too many.
        what: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
    /// The count is out of reach.
    #[error("rate limiting is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
