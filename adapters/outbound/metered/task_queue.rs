use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::{ReceiptId, TaskId, WorkerId};
use gateway_core::domain::task::{Delivery, Patience, Settled, Sign, Verdict};
use gateway_core::ports::{QueueError, TaskQueue};
use metrics::{Counter, counter};

use super::Metered;
use crate::metrics::TASKS;

/// What becomes of tasks.
pub(super) struct Tasks {
    patience: Patience,
    handed_out: Counter,
    redelivered: Counter,
    released: Counter,
    settled: Counter,
    given_back: Counter,
    dead: Counter,
}

impl Tasks {
    pub(super) fn new(patience: Patience) -> Self {
        let event = |event: &'static str| counter!(TASKS, "event" => event);
        Self {
            patience,
            handed_out: event("handed_out"),
            redelivered: event("redelivered"),
            released: event("released"),
            settled: event("settled"),
            given_back: event("given_back"),
            dead: event("dead"),
        }
    }

    fn note_taken(&self, delivery: &Delivery) {
        // What is used up is taken only to be buried.
        if self.patience.exhausted(delivery).is_some() {
            return;
        }
        self.handed_out.increment(1);
        if delivery.deliveries > 1 {
            self.redelivered.increment(1);
        }
    }
}

#[async_trait]
impl TaskQueue for Metered<dyn TaskQueue, Tasks> {
    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
    ) -> Result<Option<Delivery>, QueueError> {
        let take = self.port.take(worker, wait);
        let taken = self.timed_unless(!wait.is_zero(), take).await;
        if let Ok(Some(delivery)) = &taken {
            self.counts.note_taken(delivery);
        }
        taken
    }

    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), QueueError> {
        self.timed(self.port.release(worker, receipt)).await?;
        self.counts.released.increment(1);
        Ok(())
    }

    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        verdict: Verdict,
    ) -> Result<Settled, QueueError> {
        let counter = match &verdict {
            Verdict::Done => &self.counts.settled,
            Verdict::GivenBack(_) => &self.counts.given_back,
        };
        let settled = self
            .timed(self.port.settle(worker, receipt, verdict))
            .await?;
        if settled == Settled::Now {
            counter.increment(1);
        }
        Ok(settled)
    }

    async fn bury(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        reason: &str,
    ) -> Result<Settled, QueueError> {
        let buried = self.timed(self.port.bury(worker, receipt, reason)).await?;
        if buried == Settled::Now {
            self.counts.dead.increment(1);
        }
        Ok(buried)
    }

    async fn held(&self, worker: &WorkerId, task: &TaskId) -> Result<Option<Delivery>, QueueError> {
        self.timed(self.port.held(worker, task)).await
    }

    async fn note(&self, worker: &WorkerId, sign: &Sign) -> Result<(), QueueError> {
        self.timed(self.port.note(worker, sign)).await
    }
}
