use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::control::{Command, CommandDelivery, Lane};
use gateway_core::domain::id::ReceiptId;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::bounded::Forgettable;
use super::super::receipts;
use super::state::Broadcasts;

/// How many times it is told the same.
const MAX_DELIVERIES: u32 = 5;

/// How many commands of its own a worker may have before it.
const MAX_OWN: usize = 1000;

/// How long after its last take a mailbox still counts as listened to.
const ATTENTION: Duration = Duration::from_mins(2);

/// A command, and its number in the order they came.
#[derive(Clone)]
pub(super) struct Letter {
    pub(super) number: u64,
    pub(super) command: Arc<Command>,
}

/// What is for one worker.
#[derive(Default)]
pub(super) struct Mailbox {
    bell: Arc<Notify>,
    waiting: BTreeMap<u64, Arc<Command>>,
    held: BTreeMap<u64, Held>,
    /// The number of the first command for everyone that it has not heard; none before its first
    /// take.
    place: Option<u64>,
    /// Beyond its place, what it has heard all the same.
    ahead: BTreeSet<u64>,
    listened: Option<Instant>,
}

/// A command in the worker's hands.
struct Held {
    receipt: ReceiptId,
    command: Arc<Command>,
    deliveries: u32,
    due: Instant,
}

impl Mailbox {
    pub(super) fn bell(&self) -> Arc<Notify> {
        self.bell.clone()
    }

    /// Wakes all who wait, as what came may fit the lane of any of them.
    pub(super) fn ring(&self) {
        self.bell.notify_waiters();
    }

    /// Hears what is for everyone, for the first time `from` this number on.
    pub(super) fn listen(&mut self, from: u64) {
        self.place.get_or_insert(from);
        self.listened = Some(Instant::now());
    }

    /// Whether there was room for `letter`.
    pub(super) fn push(&mut self, letter: Letter) -> bool {
        if self.waiting.len() + self.held.len() >= MAX_OWN {
            return false;
        }
        self.waiting.insert(letter.number, letter.command);
        self.ring();
        true
    }

    /// Lets go of what was delivered too often.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<ReceiptId> {
        let mut given_up = Vec::new();
        self.held.retain(|_, held| {
            let hopeless = held.due <= now && held.deliveries >= MAX_DELIVERIES;
            if hopeless {
                given_up.push(held.receipt.clone());
            }
            !hopeless
        });
        given_up
    }

    /// Hands the next command out that `lane` can carry, until `lease_end`.
    pub(super) fn take(
        &mut self,
        lane: Lane,
        now: Instant,
        lease_end: Instant,
        broadcasts: &Broadcasts,
    ) -> Option<(u64, CommandDelivery)> {
        let due = |(_, held): &(&u64, &Held)| held.due <= now && held.command.fits(lane);
        let due = self.held.iter().find(due).map(|(number, _)| *number);
        let number = match due {
            Some(number) => number,
            None => self.take_up(lane, now, broadcasts)?,
        };
        let held = self.held.get_mut(&number)?;
        held.deliveries += 1;
        held.due = lease_end;
        let delivery = CommandDelivery {
            receipt: held.receipt.clone(),
            command: Command::clone(&held.command),
        };
        Some((number, delivery))
    }

    /// When something is to be delivered again that `lane` can carry.
    pub(super) fn next_due(&self, lane: Lane, now: Instant) -> Option<Instant> {
        let held = self.held.values().filter(|held| held.command.fits(lane));
        held.map(|held| held.due).filter(|due| *due > now).min()
    }

    pub(super) fn settle(&mut self, number: u64) {
        self.held.remove(&number);
    }

    /// Undoes a delivery. Whether the command waits now as if it had never been delivered.
    pub(super) fn release(&mut self, number: u64, now: Instant) -> bool {
        let Some(held) = self.held.get_mut(&number) else {
            return false;
        };
        held.deliveries = held.deliveries.saturating_sub(1);
        held.due = now;
        let undone = held.deliveries == 0;
        if undone && let Some(held) = self.held.remove(&number) {
            self.waiting.insert(number, held.command);
        }
        self.ring();
        undone
    }

    /// Moves the first command that `lane` can carry into the worker's hands, be it for everyone
    /// or for this worker alone.
    fn take_up(&mut self, lane: Lane, now: Instant, broadcasts: &Broadcasts) -> Option<u64> {
        self.skip_dropped(broadcasts);
        let mut own = self.waiting.iter();
        let own = own.find(|(_, command)| command.fits(lane));
        let own = own.map(|(number, command)| Letter {
            number: *number,
            command: command.clone(),
        });
        let heard = self.first_unheard(lane, broadcasts);
        let letter = match (own, heard) {
            (Some(own), Some(heard)) if heard.number < own.number => heard,
            (Some(own), _) => own,
            (None, heard) => heard?,
        };
        if self.waiting.remove(&letter.number).is_none() {
            self.mark_heard(letter.number, broadcasts);
        }
        // Those who wait have to set their timers.
        self.ring();
        let held = Held {
            receipt: receipts::make(letter.number),
            command: letter.command,
            deliveries: 0,
            due: now,
        };
        self.held.insert(letter.number, held);
        Some(letter.number)
    }

    fn first_unheard(&self, lane: Lane, broadcasts: &Broadcasts) -> Option<Letter> {
        let mut unheard = broadcasts.from(self.place?);
        let fits =
            |letter: &&Letter| !self.ahead.contains(&letter.number) && letter.command.fits(lane);
        unheard.find(fits).cloned()
    }

    fn mark_heard(&mut self, number: u64, broadcasts: &Broadcasts) {
        self.ahead.insert(number);
        let Some(place) = self.place else {
            return;
        };
        for letter in broadcasts.from(place) {
            if !self.ahead.remove(&letter.number) {
                self.place = Some(letter.number);
                return;
            }
            self.place = Some(letter.number + 1);
        }
    }

    /// Goes on where the kept ones begin, if those before are gone.
    fn skip_dropped(&mut self, broadcasts: &Broadcasts) {
        let first_kept = broadcasts.dropped + 1;
        if let Some(place) = &mut self.place
            && *place < first_kept
        {
            tracing::warn!("commands for everyone dropped, as a worker did not come for them");
            *place = first_kept;
            self.ahead = self.ahead.split_off(&first_kept);
        }
    }
}

impl Forgettable for Mailbox {
    fn is_idle(&self) -> bool {
        // Whoever waits holds the bell as well, and whoever comes again and again has its place.
        let waited_for = Arc::strong_count(&self.bell) > 1;
        let recent = |listened: Instant| listened.elapsed() < ATTENTION;
        let listened_to = waited_for || self.listened.is_some_and(recent);
        self.waiting.is_empty() && self.held.is_empty() && !listened_to
    }
}

impl Broadcasts {
    /// Those with this number or a later one.
    fn from(&self, number: u64) -> impl Iterator<Item = &Letter> {
        let first = self.kept.partition_point(|letter| letter.number < number);
        self.kept.range(first..)
    }
}
