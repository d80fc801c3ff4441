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

    /// What `worker` signs with; it may be remembered.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unavailable`] if that cannot be told now, and no other.
    async fn secret(&self, worker: &WorkerId) -> Result<SigningKey, AuthError>;

    /// What `worker` signs with now: nothing counts that was asked for before. Whoever asks this of
    /// one worker time and again is made to wait a little.
    ///
    /// # Errors
    ///
    /// [`AuthError::Unavailable`] if that cannot be told now, and no other.
    async fn secret_now(&self, worker: &WorkerId) -> Result<Option<Secret>, AuthError>;
}

/// What a worker signs with.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// Its secret, which is never empty; none if it has none, or may not come in.
    pub secret: Option<Secret>,
    /// Whether that is so now; else it may have changed since it was asked for.
    pub current: bool,
}
