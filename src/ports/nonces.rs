use std::time::Duration;

use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::ports::AuthError;

/// Who remembers what was used once and must not be used again.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Nonces: Send + Sync {
    /// Whether `worker` uses `nonce` for the first time. It is remembered for `keep`, and what
    /// there is no room for is not remembered but refused as an outage.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unavailable`] if that cannot be told now, and no other.
    async fn first(
        &self,
        worker: &WorkerId,
        nonce: &str,
        keep: Duration,
    ) -> Result<bool, AuthError>;
}
