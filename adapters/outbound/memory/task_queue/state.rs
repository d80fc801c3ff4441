use std::sync::Arc;

use gateway_core::domain::id::{LetterId, ReceiptId, TaskId, WorkerId};
use gateway_core::domain::task::{Delivery, Sign, Task};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{MasterError, QueueError, QueueView};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::Settings;
use super::super::bounded::Bounded;
use super::super::receipts::{self, NotTheirs, Receipts};
use super::super::waiting::Look;
use super::graves::{Grave, Graves};
use super::worker_queue::{Now, Terms, WorkerQueue};

/// All queues together, and what is told of all of them.
pub(super) struct State {
    workers: Bounded<WorkerId, WorkerQueue>,
    receipts: Receipts,
    dead: Graves,
    /// Waiting and held.
    tasks: usize,
    max_tasks: usize,
    last_number: u64,
}

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            workers: Bounded::new(settings.max_workers),
            receipts: Receipts::default(),
            dead: Graves::default(),
            tasks: 0,
            max_tasks: settings.max_tasks,
            last_number: 0,
        }
    }

    /// What rings when there may be something for `worker`; none if there is no room for it.
    pub(super) fn bell(&mut self, worker: &WorkerId) -> Option<Arc<Notify>> {
        self.workers.get_or_make(worker).map(|queue| queue.bell())
    }

    pub(super) fn enqueue(
        &mut self,
        worker: &WorkerId,
        task: Task,
        at: Timestamp,
    ) -> Result<(), MasterError> {
        if self.tasks >= self.max_tasks {
            return Err(MasterError::Full("tasks"));
        }
        let (number, receipt) = self.next_receipt();
        let queue = self.workers.get_or_make(worker);
        let queue = queue.ok_or(MasterError::Full("workers"))?;
        self.tasks += 1;
        let delivery = Delivery {
            receipt,
            task,
            deliveries: 0,
            returns: 0,
            reason: None,
        };
        queue.push(number, delivery, at);
        Ok(())
    }

    pub(super) fn take(
        &mut self,
        worker: &WorkerId,
        now: Instant,
        terms: &Terms,
    ) -> Look<Delivery> {
        let Some(queue) = self.workers.get_mut(worker) else {
            return Look::Nothing { until: None };
        };
        let Some((number, delivery)) = queue.take(now, terms) else {
            let until = queue.next_event(now);
            return Look::Nothing { until };
        };
        self.receipts
            .open(delivery.receipt.clone(), worker.clone(), number);
        Look::Found(delivery)
    }

    /// Takes what `receipt` stands for out of the worker's hands, and out of the queue.
    pub(super) fn close(
        &mut self,
        worker: &WorkerId,
        receipt: &ReceiptId,
    ) -> Result<Option<Delivery>, QueueError> {
        let closed = self.receipts.close(worker, receipt);
        let closed = closed.map_err(|NotTheirs| QueueError::NotTheirs(receipt.clone()))?;
        let Some(number) = closed else {
            return Ok(None);
        };
        let queue = self.workers.get_mut(worker);
        let delivery = queue.and_then(|queue| queue.close(number));
        self.tasks -= usize::from(delivery.is_some());
        Ok(delivery)
    }

    pub(super) fn release(&mut self, worker: &WorkerId, receipt: &ReceiptId, now: Instant) {
        let Some(number) = self.receipts.number(worker, receipt) else {
            return;
        };
        let queue = self.workers.get_mut(worker);
        let waits_again = queue.is_some_and(|queue| queue.release(number, now));
        if waits_again {
            self.receipts.forget(receipt);
        }
    }

    /// Lets `delivery`, which was closed, wait again, behind all others.
    pub(super) fn requeue(
        &mut self,
        worker: &WorkerId,
        mut delivery: Delivery,
        reason: String,
        now: Now,
    ) {
        let (number, receipt) = self.next_receipt();
        delivery.receipt = receipt;
        delivery.deliveries = 0;
        delivery.returns = delivery.returns.saturating_add(1);
        delivery.reason = Some(reason).filter(|reason| !reason.is_empty());
        if let Some(queue) = self.workers.get_mut(worker) {
            queue.rest(number, delivery, now);
            self.tasks += 1;
        }
    }

    pub(super) fn bury(
        &mut self,
        worker: &WorkerId,
        delivery: Delivery,
        reason: &str,
        at: Timestamp,
    ) {
        self.last_number += 1;
        self.dead.bury(
            self.last_number,
            Grave {
                task: delivery.task,
                worker: worker.clone(),
                reason: reason.to_owned(),
                // The take that found it used up did not reach the worker.
                deliveries: delivery.deliveries.saturating_sub(1),
                at,
            },
        );
    }

    /// What was given up.
    pub(super) fn dead(&mut self) -> &mut Graves {
        &mut self.dead
    }

    /// Queues what was given up as if it were new; whose and which it is, if it was there.
    pub(super) fn exhume(
        &mut self,
        id: &LetterId,
        at: Timestamp,
    ) -> Result<Option<(WorkerId, Task)>, MasterError> {
        let Some(Grave { worker, task, .. }) = self.dead.find(id).cloned() else {
            return Ok(None);
        };
        self.enqueue(&worker, task.clone(), at)?;
        self.dead.discard(id);
        Ok(Some((worker, task)))
    }

    pub(super) fn held(&mut self, worker: &WorkerId, task: &TaskId) -> Option<Delivery> {
        self.workers.get_mut(worker)?.held(task)
    }

    pub(super) fn note(&mut self, worker: &WorkerId, sign: &Sign, now: Instant, terms: &Terms) {
        // A worker for which there is no room holds nothing.
        if let Some(queue) = self.workers.get_or_make(worker) {
            queue.note(sign, now, terms);
        }
    }

    pub(super) fn list(&self) -> Vec<QueueView> {
        let views = self.workers.iter().map(|(worker, queue)| {
            let (waiting, held) = queue.counts();
            QueueView {
                worker: worker.clone(),
                waiting,
                held,
                oldest: queue.oldest(),
            }
        });
        let mut views: Vec<_> = views.filter(|view| view.waiting + view.held > 0).collect();
        views.sort_unstable_by(|a, b| a.worker.cmp(&b.worker));
        views
    }

    /// The number of an entry, and a receipt that nobody guesses.
    fn next_receipt(&mut self) -> (u64, ReceiptId) {
        self.last_number += 1;
        let number = self.last_number;
        (number, receipts::make(number))
    }
}
