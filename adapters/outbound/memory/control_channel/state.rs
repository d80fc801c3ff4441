use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::control::{Command, CommandDelivery, Lane};
use gateway_core::domain::id::{ReceiptId, WorkerId};
use gateway_core::domain::task::Settled;
use gateway_core::ports::{ControlError, MasterError};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::Settings;
use super::super::bounded::Bounded;
use super::super::receipts::{NotTheirs, Receipts};
use super::super::waiting::{Look, after};
use super::mailbox::{Letter, Mailbox};
use super::requests::Requests;

/// How many commands for everyone are kept for those who were away.
const MAX_BROADCASTS: usize = 1024;

/// All mailboxes together, and what is for everyone.
pub(super) struct State {
    mailboxes: Bounded<WorkerId, Mailbox>,
    broadcasts: Broadcasts,
    receipts: Receipts,
    pub(super) requests: Requests,
    command_lease: Duration,
    last_number: u64,
}

/// Commands for everyone, by rising numbers.
#[derive(Default)]
pub(super) struct Broadcasts {
    pub(super) kept: VecDeque<Letter>,
    /// The number of the latest that is kept no more.
    pub(super) dropped: u64,
}

impl State {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            mailboxes: Bounded::new(settings.max_workers),
            broadcasts: Broadcasts::default(),
            receipts: Receipts::default(),
            requests: Requests::new(settings.reply_timeout),
            command_lease: settings.command_lease,
            last_number: 0,
        }
    }

    /// What rings when there may be something for `worker`; none if there is no room for it.
    ///
    /// From here on it hears what is for everyone.
    pub(super) fn bell(&mut self, worker: &WorkerId) -> Option<Arc<Notify>> {
        let from = self.last_number + 1;
        let mailbox = self.mailboxes.get_or_make(worker)?;
        mailbox.listen(from);
        Some(mailbox.bell())
    }

    pub(super) fn held(&self, worker: &WorkerId) -> usize {
        self.receipts.count(worker)
    }

    pub(super) fn send(&mut self, worker: &WorkerId, command: Command) -> Result<(), MasterError> {
        let letter = self.next_letter(command);
        let mailbox = self.mailboxes.get_or_make(worker);
        let mailbox = mailbox.ok_or(MasterError::Full("workers"))?;
        let pushed = mailbox.push(letter);
        pushed.then_some(()).ok_or(MasterError::Full("commands"))
    }

    pub(super) fn broadcast(&mut self, command: Command) {
        let letter = self.next_letter(command);
        self.broadcasts.kept.push_back(letter);
        if self.broadcasts.kept.len() > MAX_BROADCASTS
            && let Some(oldest) = self.broadcasts.kept.pop_front()
        {
            self.broadcasts.dropped = oldest.number;
        }
        for (_, mailbox) in self.mailboxes.iter() {
            mailbox.ring();
        }
    }

    pub(super) fn take(
        &mut self,
        worker: &WorkerId,
        lane: Lane,
        now: Instant,
    ) -> Look<CommandDelivery> {
        let Some(mailbox) = self.mailboxes.get_mut(worker) else {
            return Look::Nothing { until: None };
        };
        for receipt in mailbox.give_up(now) {
            tracing::warn!(%worker, "command dropped, as it was delivered again and again and never settled");
            self.receipts.forget(&receipt);
        }
        let lease_end = after(now, self.command_lease);
        let taken = mailbox.take(lane, now, lease_end, &self.broadcasts);
        let Some((number, delivery)) = taken else {
            let until = mailbox.next_due(lane, now);
            return Look::Nothing { until };
        };
        self.requests.ask(worker, &delivery.command, now);
        self.receipts
            .open(delivery.receipt.clone(), worker.clone(), number);
        Look::Found(delivery)
    }

    pub(super) fn release(&mut self, worker: &WorkerId, receipt: &ReceiptId, now: Instant) {
        let Some(number) = self.receipts.number(worker, receipt) else {
            return;
        };
        let mailbox = self.mailboxes.get_mut(worker);
        let waits_again = mailbox.is_some_and(|mailbox| mailbox.release(number, now));
        if waits_again {
            self.receipts.forget(receipt);
        }
    }

    pub(super) fn settle(
        &mut self,
        worker: &WorkerId,
        receipt: &ReceiptId,
    ) -> Result<Settled, ControlError> {
        let closed = self.receipts.close(worker, receipt);
        let closed = closed.map_err(|NotTheirs| ControlError::ReceiptNotTheirs(receipt.clone()))?;
        let Some(number) = closed else {
            return Ok(Settled::Before);
        };
        if let Some(mailbox) = self.mailboxes.get_mut(worker) {
            mailbox.settle(number);
        }
        Ok(Settled::Now)
    }

    fn next_letter(&mut self, command: Command) -> Letter {
        self.last_number += 1;
        Letter {
            number: self.last_number,
            command: Arc::new(command),
        }
    }
}
