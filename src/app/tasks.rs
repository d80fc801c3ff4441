use std::sync::Arc;
use std::time::Duration;

use super::{Error, Journal};
use crate::domain::audit::Action;
use crate::domain::id::{ReceiptId, TaskId};
use crate::domain::identity::Caller;
use crate::domain::run::{Report, RunStatus};
use crate::domain::task::{Delivery, Patience, Settled, Sign, Verdict};
use crate::ports::{ResultError, ResultStore, RunOwners, TaskQueue};

/// Handing out tasks, and taking them back.
pub struct Tasks {
    pub(super) queue: Arc<dyn TaskQueue>,
    pub(super) owners: Arc<dyn RunOwners>,
    pub(super) results: Arc<dyn ResultStore>,
    pub(super) patience: Patience,
    pub(super) journal: Journal,
}

impl Tasks {
    /// The next task for `caller`, or none if none comes within `wait`. A task that has used up
    /// its chances is given up on the way.
    ///
    /// The delivery is the caller's from here on: whoever cannot bring it to the worker
    /// [releases](Self::release) it. Between the queue's answer and this one nothing is awaited,
    /// so that a call dropped while it waits has taken nothing.
    pub async fn poll(&self, caller: &Caller, wait: Duration) -> Result<Option<Delivery>, Error> {
        let mut wait = wait;
        loop {
            let Some(delivery) = self.queue.take(&caller.worker, wait).await? else {
                return Ok(None);
            };
            let Some(reason) = self.patience.exhausted(&delivery) else {
                return Ok(Some(delivery));
            };
            self.give_up(caller, &delivery, reason).await?;
            // The worker has waited once; it would rather hear "none" than wait again.
            wait = Duration::ZERO;
        }
    }

    /// Makes the run of `delivery` the caller's, before the caller hears of it.
    pub async fn hand_over(&self, caller: &Caller, delivery: &Delivery) -> Result<(), Error> {
        let run = &delivery.task.run;
        Ok(self.owners.assign(run, &caller.worker).await?)
    }

    /// Undoes a delivery that did not reach `caller`.
    pub async fn release(&self, caller: &Caller, receipt: &ReceiptId) -> Result<(), Error> {
        Ok(self.queue.release(&caller.worker, receipt).await?)
    }

    /// Settles a delivery as `caller` says. Saying it twice is fine.
    pub async fn settle(
        &self,
        caller: &Caller,
        receipt: &ReceiptId,
        verdict: Verdict,
    ) -> Result<(), Error> {
        let given_back = matches!(verdict, Verdict::GivenBack(_));
        let settled = self.queue.settle(&caller.worker, receipt, verdict).await;
        let settled = settled.map_err(|error| self.refused(caller, error.into()))?;
        if given_back && settled == Settled::Now {
            let receipt = receipt.to_string();
            self.journal.note(caller, Action::GaveBack { receipt });
        }
        Ok(())
    }

    /// Settles the delivery of `task` by its name, as the live channel has it. There a worker
    /// says that it accepts a task when it takes it on, too: so a task that is accepted is done
    /// with only if its run has ended, and otherwise is being worked on.
    pub async fn settle_by_task(
        &self,
        caller: &Caller,
        task: &TaskId,
        verdict: Verdict,
    ) -> Result<(), Error> {
        let Some(delivery) = self.queue.held(&caller.worker, task).await? else {
            return Ok(());
        };
        if verdict == Verdict::Done && !self.has_ended(&delivery).await? {
            let sign = Sign::Progress(delivery.task.run);
            return Ok(self.queue.note(&caller.worker, &sign).await?);
        }
        self.settle(caller, &delivery.receipt, verdict).await
    }

    async fn has_ended(&self, delivery: &Delivery) -> Result<bool, Error> {
        match self.results.status(&delivery.task.run).await {
            Ok(status) => Ok(status.is_some_and(RunStatus::is_terminal)),
            Err(ResultError::UnknownRun(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Records the run of `delivery` as failed, then buries the task. In this order, so that a
    /// crash between the two repeats the record, which is harmless, and loses nothing.
    async fn give_up(
        &self,
        caller: &Caller,
        delivery: &Delivery,
        reason: String,
    ) -> Result<(), Error> {
        let run = delivery.task.run.clone();
        let report = Report {
            error_message: reason.clone(),
            ..Report::new(
                run.clone(),
                caller.worker.clone(),
                RunStatus::Failed,
                self.journal.clock.now(),
            )
        };
        match self.results.record(&report).await {
            // A run that is unknown or another's by now has nothing to be recorded in.
            Ok(_)
            | Err(
                ResultError::UnknownRun(_)
                | ResultError::NotTheirs { .. }
                | ResultError::Unwritable { .. },
            ) => {}
            // It stays in the worker's hands and comes up again when its lease is over.
            Err(ResultError::Unavailable(_)) => return Ok(()),
        }
        self.queue
            .bury(&caller.worker, &delivery.receipt, &reason)
            .await?;
        self.journal.note(caller, Action::Buried { run, reason });
        Ok(())
    }

    fn refused(&self, caller: &Caller, error: Error) -> Error {
        self.journal.note_trespass(caller, &error);
        error
    }
}

#[cfg(test)]
mod tests;
