use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::domain::identity::Secret;
use crate::ports::AuthError;

/// Who knows what workers sign with.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// The secret of `worker` as far as it is known without asking anybody.
    fn recall(&self, worker: &WorkerId) -> Option<Secret>;

    /// The secret of `worker`, which is never empty; none if it has none, or may not come in.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unavailable`] if that cannot be told now, and no other.
    async fn secret(&self, worker: &WorkerId) -> Result<Option<Secret>, AuthError>;
}
