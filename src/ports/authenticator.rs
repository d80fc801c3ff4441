use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::domain::identity::Credential;
use crate::ports::Cause;

/// Who can tell whose a credential is.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The worker that `credential` belongs to.
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] only if it is certain that it belongs to nobody; whoever cannot
    /// tell is [`AuthError::Unavailable`], because a worker that is rejected five times stops for
    /// good.
    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError>;
}

/// Why an [`Authenticator`] named nobody.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The credential is nobody's.
    #[error("no valid credential; send x-api-key")]
    Rejected,
    /// It cannot be told now.
    #[error("authentication is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
