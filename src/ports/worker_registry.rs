use async_trait::async_trait;

use crate::domain::worker::{Heartbeat, Registration};
use crate::ports::Cause;

/// Who knows which workers there are, and how they are.
///
/// A worker that is silent for the heartbeat timeout is forgotten.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait WorkerRegistry: Send + Sync {
    /// Takes note of a worker's process that starts.
    async fn register(&self, registration: &Registration) -> Result<(), RegistryError>;

    /// Takes note of a sign of life. What it does not say of the worker's system and capabilities
    /// stays as it was.
    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), RegistryError>;
}

/// Why a [`WorkerRegistry`] could not serve.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry is out of reach.
    #[error("worker registry is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
