use std::time::Duration;

use async_trait::async_trait;

use crate::domain::control::{CommandDelivery, Lane, Reply};
use crate::domain::id::{ReceiptId, RequestId, WorkerId};
use crate::domain::task::Settled;
use crate::ports::Cause;

/// How the platform speaks to workers between tasks.
///
/// A command for one worker waits for it. A command for everyone reaches every worker once; a
/// worker hears those that come after it [joined](Self::join), or took for the first time. A command that is not settled in
/// time is delivered again, a few times at the most.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ControlChannel: Send + Sync {
    /// Makes `worker` known to the channel, so that it hears what is for everyone from now on. One
    /// that is known stays as it is.
    async fn join(&self, worker: &WorkerId) -> Result<(), ControlError>;

    /// Takes the next command for `worker` that `lane` can carry, waiting up to `wait` for one.
    /// What the lane cannot carry stays for another.
    ///
    /// Cancel safe: a call whose future is dropped has taken nothing.
    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
        lane: Lane,
    ) -> Result<Option<CommandDelivery>, ControlError>;

    /// Undoes a delivery that did not reach `worker`.
    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), ControlError>;

    /// Settles a delivery: the worker has done what it was told.
    ///
    /// # Errors
    ///
    /// [`ControlError::ReceiptNotTheirs`] if the receipt is another worker's.
    async fn settle(&self, worker: &WorkerId, receipt: &ReceiptId)
    -> Result<Settled, ControlError>;

    /// Passes `worker`'s reply on to the one who asked. A repeated reply replaces the first.
    ///
    /// # Errors
    ///
    /// [`ControlError::UnknownRequest`] if `worker` was not asked lately, or its answer came too
    /// late; [`ControlError::RequestNotTheirs`] if another worker was asked, or the reply names
    /// another stream than the request did.
    async fn reply(&self, worker: &WorkerId, reply: Reply) -> Result<(), ControlError>;
}

/// Why a [`ControlChannel`] could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The receipt is another worker's.
    #[error("receipt {0} is another worker's")]
    ReceiptNotTheirs(ReceiptId),
    /// The worker was not asked.
    #[error("request {0} is unknown, or nobody waits for it any more")]
    UnknownRequest(RequestId),
    /// Another was asked, or elsewhere.
    #[error("request {0} is another worker's")]
    RequestNotTheirs(RequestId),
    /// The channel is out of reach, or makes no sense.
    #[error("control channel is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
