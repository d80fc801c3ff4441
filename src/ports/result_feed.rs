use async_trait::async_trait;

use crate::domain::run::Report;
use crate::ports::Cause;

/// Who hears of results besides their store: the platform's Master, say.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ResultFeed: Send + Sync {
    /// Tells of `reports`, in this order. When it answers, they outlive this process. Told of one
    /// again, it may pass it on twice: whoever reads must bear that.
    ///
    /// # Errors
    ///
    /// [`FeedError::Unavailable`]; any number of them may have been told of then.
    async fn publish(&self, reports: &[Report]) -> Result<(), FeedError>;
}

/// Why a [`ResultFeed`] did not serve.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// It is out of reach; the reports may or may not be in it.
    #[error("the result stream is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
