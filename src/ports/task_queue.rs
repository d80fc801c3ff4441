use std::time::Duration;

use async_trait::async_trait;

use crate::domain::id::{ReceiptId, TaskId, WorkerId};
use crate::domain::task::{Delivery, Settled, Sign, Verdict};
use crate::ports::Cause;

/// Where workers take tasks from.
///
/// Each worker has a queue of its own, and delivery is at least once: what a worker takes stays in
/// its hands until the receipt is settled. It is offered to the worker again
///
/// - at once when the worker [restarted](Sign::Restarted) after the delivery;
/// - when the worker says that it [runs nothing](Sign::Running), two heartbeat intervals or more
///   after the delivery or the last [progress](Sign::Progress) of its run;
/// - when the lease is over: the task's timeout and a grace since then. A worker that was heard of
///   lately, and runs as many tasks as it holds, keeps them beyond that.
///
/// What is offered again comes first, then what waits, in the order it came.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait TaskQueue: Send + Sync {
    /// Takes the next task for `worker`, waiting up to `wait` for one.
    ///
    /// Cancel safe: a call whose future is dropped has taken nothing.
    async fn take(&self, worker: &WorkerId, wait: Duration)
    -> Result<Option<Delivery>, QueueError>;

    /// Undoes a delivery that did not reach `worker`: the task waits again where it was, and the
    /// delivery does not count. Of a receipt that is not open nothing comes.
    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), QueueError>;

    /// Settles a delivery. Done, the task leaves the queue; given back, it waits again, behind the
    /// others, with the reason and one more return, and `worker` is not offered it again within a second.
    ///
    /// # Errors
    ///
    /// [`QueueError::NotTheirs`] if the receipt is another worker's.
    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        verdict: Verdict,
    ) -> Result<Settled, QueueError>;

    /// Moves a delivery to the dead letters for `reason`, in one step. The take that found it to be
    /// given up did not reach the worker, and is not counted there.
    async fn bury(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        reason: &str,
    ) -> Result<Settled, QueueError>;

    /// The delivery of `task` that `worker` holds.
    async fn held(&self, worker: &WorkerId, task: &TaskId) -> Result<Option<Delivery>, QueueError>;

    /// Takes note of a sign of life of `worker`, or of its death.
    async fn note(&self, worker: &WorkerId, sign: &Sign) -> Result<(), QueueError>;
}

/// Why a [`TaskQueue`] could not serve.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The receipt is another worker's.
    #[error("receipt {0} is another worker's")]
    NotTheirs(ReceiptId),
    /// The queue is out of reach, or makes no sense.
    #[error("task queue is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
