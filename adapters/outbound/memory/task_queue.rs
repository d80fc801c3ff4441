use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::{LetterId, ReceiptId, TaskId, WorkerId};
use gateway_core::domain::task::{Delivery, Settled, Sign, Task, Verdict};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{self, Clock, MasterError, QueueError, QueueView};
use tokio::time::Instant;

use super::Settings;
use super::guarded::Guarded;
use super::waiting::wait_for;
use graves::Graves;
use state::State;
use worker_queue::{Now, Terms};

mod graves;
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
        let at = self.clock.now();
        self.state.lock().enqueue(worker, task, at)
    }

    /// What waits and what is held.
    pub(super) fn list(&self) -> Vec<QueueView> {
        self.state.lock().list()
    }

    /// What `look` finds among what was given up.
    pub(super) fn dead<T>(&self, look: impl FnOnce(&mut Graves) -> T) -> T {
        look(self.state.lock().dead())
    }

    /// Queues what was given up as if it were new, and shows it to `tell` before anybody can take
    /// it; says whether it was there.
    pub(super) fn exhume(
        &self,
        id: &LetterId,
        tell: impl FnOnce(&WorkerId, &Task, Timestamp),
    ) -> Result<bool, MasterError> {
        let at = self.clock.now();
        let mut state = self.state.lock();
        let queued = state.exhume(id, at)?;
        let queued = queued.inspect(|(worker, task)| tell(worker, task, at));
        Ok(queued.is_some())
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
        let now = Now {
            instant: Instant::now(),
            time: self.clock.now(),
        };
        let mut state = self.state.lock();
        let Some(delivery) = state.close(worker, receipt)? else {
            return Ok(Settled::Before);
        };
        match verdict {
            Verdict::Done => {}
            Verdict::GivenBack(reason) => state.requeue(worker, delivery, reason, now),
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
        state.bury(worker, delivery, reason, at);
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
