use std::time::Duration;

use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::domain::identity::Credential;
use crate::ports::Cause;

/// Who can tell whose a credential is.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// What is known of `credential` here and now, without asking anybody.
    ///
    /// It is what those go by who must not be stopped by the failures of others.
    fn recall(&self, credential: &Credential) -> Recall;

    /// The worker that `credential` belongs to.
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] only if it is certain that it belongs to nobody; whoever cannot
    /// tell is [`AuthError::Unavailable`], because a worker that is rejected five times stops for
    /// good.
    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError>;
}

/// What an [`Authenticator`] knows of a credential without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recall {
    /// It is good, and this worker's.
    Good(WorkerId),
    /// It is no guess: it was good not long ago, or it proves that its maker has a secret. Whether
    /// it is good now must be asked.
    Genuine,
    /// It was nobody's a moment ago. Whether it still is must be asked.
    Refused,
    /// Nothing.
    Unknown,
}

/// Why an [`Authenticator`] named nobody.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The credential is nobody's.
    #[error(
        "no valid credential; send x-api-key, a bearer token, a client certificate or x-signature"
    )]
    Rejected,
    /// It is good, but its owner has proven itself more often than it may call.
    #[error("too many signatures; try again in {} ms", retry_after.as_millis())]
    Exceeded {
        /// When to try again.
        retry_after: Duration,
    },
    /// It cannot be told now.
    #[error("authentication is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
