use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::{ReceiptId, TaskId, WorkerId};
use gateway_core::domain::task::{DeadLetter, Delivery, Settled, Sign, Task, Verdict};
use gateway_core::ports::{self, Clock, MasterError, QueueError, QueueView};
use tokio::time::Instant;

use super::Settings;
use super::guarded::Guarded;
use super::waiting::wait_for;
use state::State;
use worker_queue::Terms;

mod state;
mod worker_queue;

/// The tasks of every worker, and which of them it holds.
pub struct TaskQueue {
    state: Guarded<State>,
    terms: Terms,
    clock: Arc<dyn Clock>,
}

impl TaskQueue {
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Guarded::new(State::new(settings)),
            terms: Terms {
                heartbeat_interval: settings.heartbeat_interval,
                heartbeat_timeout: settings.heartbeat_timeout,
                lease_grace: settings.lease_grace,
            },
            clock,
        }
    }

    pub(super) fn enqueue(&self, worker: &WorkerId, task: Task) -> Result<(), MasterError> {
        self.state.lock().enqueue(worker, task)
    }

    /// What waits and what is held, and what was given up.
    pub(super) fn list(&self) -> (Vec<QueueView>, Vec<DeadLetter>) {
        self.state.lock().list()
    }
}

#[async_trait]
impl ports::TaskQueue for TaskQueue {
    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
    ) -> Result<Option<Delivery>, QueueError> {
        // While we hold its bell, the worker's queue is not forgotten.
        let bell = self.state.lock().bell(worker).ok_or_else(no_room)?;
        let look = |now| self.state.lock().take(worker, now, &self.terms);
        Ok(wait_for(&bell, wait, look).await)
    }

    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), QueueError> {
        self.state.lock().release(worker, receipt, Instant::now());
        Ok(())
    }

    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        verdict: Verdict,
    ) -> Result<Settled, QueueError> {
        let mut state = self.state.lock();
        let Some(delivery) = state.close(worker, receipt)? else {
            return Ok(Settled::Before);
        };
        match verdict {
            Verdict::Done => {}
            Verdict::GivenBack(reason) => {
                state.requeue(worker, delivery, reason, Instant::now());
            }
        }
        Ok(Settled::Now)
    }

    async fn bury(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        reason: &str,
    ) -> Result<Settled, QueueError> {
        let at = self.clock.now();
        let mut state = self.state.lock();
        let Some(delivery) = state.close(worker, receipt)? else {
            return Ok(Settled::Before);
        };
        state.bury(DeadLetter {
            task: delivery.task,
            worker: worker.clone(),
            reason: reason.to_owned(),
            // The take that found it used up did not reach the worker.
            deliveries: delivery.deliveries.saturating_sub(1),
            at,
        });
        Ok(Settled::Now)
    }

    async fn held(&self, worker: &WorkerId, task: &TaskId) -> Result<Option<Delivery>, QueueError> {
        Ok(self.state.lock().held(worker, task))
    }

    async fn note(&self, worker: &WorkerId, sign: &Sign) -> Result<(), QueueError> {
        let now = Instant::now();
        self.state.lock().note(worker, sign, now, &self.terms);
        Ok(())
    }
}

fn no_room() -> QueueError {
    QueueError::Unavailable("no room for more workers".into())
}
