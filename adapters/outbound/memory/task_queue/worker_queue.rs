use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::id::{RunId, TaskId};
use gateway_core::domain::task::{Delivery, Sign};
use gateway_core::domain::time::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::bounded::Forgettable;
use super::super::waiting::after;

/// How long a task that was given back is not offered again.
const REST: Duration = Duration::from_secs(1);

/// How long one waits for a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) heartbeat_interval: Duration,
    pub(super) heartbeat_timeout: Duration,
    pub(super) lease_grace: Duration,
}

/// What time it is: by the clock that measures, and by the one on the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) time: Timestamp,
}

/// The queue of one worker. Entries are numbered in the order they came.
#[derive(Default)]
pub(super) struct WorkerQueue {
    bell: Arc<Notify>,
    waiting: BTreeMap<u64, Delivery>,
    /// Given back, and when they may be offered again: later numbers later.
    resting: BTreeMap<u64, (Instant, Delivery)>,
    held: BTreeMap<u64, Held>,
    /// When each of all these was queued, or given back.
    since: BTreeMap<u64, Timestamp>,
    /// Nothing that is held is to be offered before this moment; none, if nothing ever is.
    quiet_until: Option<Instant>,
    beat: Option<Beat>,
}

/// A task in the worker's hands.
struct Held {
    delivery: Delivery,
    since: Instant,
    lease_end: Instant,
    /// The worker is known not to run it.
    lost: bool,
}

/// What the worker said last.
struct Beat {
    at: Instant,
    running: u32,
}

impl WorkerQueue {
    pub(super) fn bell(&self) -> Arc<Notify> {
        self.bell.clone()
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        (self.waiting.len() + self.resting.len(), self.held.len())
    }

    /// When what came first of all that waits or is held came.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.since.first_key_value().map(|(_, at)| *at)
    }

    pub(super) fn push(&mut self, number: u64, delivery: Delivery, at: Timestamp) {
        self.since.insert(number, at);
        self.wait(number, delivery);
    }

    pub(super) fn rest(&mut self, number: u64, delivery: Delivery, now: Now) {
        let first = self.resting.is_empty();
        self.since.insert(number, now.time);
        self.resting.insert(number, (now.instant + REST, delivery));
        if first {
            // All who wait have to set their timers.
            self.bell.notify_waiters();
        }
    }

    /// Hands the next task out: one that is to be offered again, or else one that waits.
    pub(super) fn take(&mut self, now: Instant, terms: &Terms) -> Option<(u64, Delivery)> {
        let due = self.pop_due(now, terms);
        let (number, mut delivery) = due.or_else(|| self.pop_waiting(now))?;
        delivery.deliveries = delivery.deliveries.saturating_add(1);
        let taken = delivery.clone();
        let lease = delivery.task.timeout.saturating_add(terms.lease_grace);
        let held = Held {
            delivery,
            since: now,
            lease_end: after(now, lease),
            lost: false,
        };
        if self.is_sooner(held.lease_end) {
            self.quiet_until = Some(held.lease_end);
            self.bell.notify_waiters();
        }
        self.held.insert(number, held);
        if self.next_event(now).is_some_and(|next| next <= now) {
            // A ring wakes one; whoever finds more than one task wakes the next.
            self.bell.notify_one();
        }
        Some((number, taken))
    }

    /// The earliest moment at which, as things are, there may be something to take.
    pub(super) fn next_event(&self, now: Instant) -> Option<Instant> {
        let waiting = (!self.waiting.is_empty()).then_some(now);
        let rested = self.resting.values().next().map(|(until, _)| *until);
        [waiting, rested, self.quiet_until]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn close(&mut self, number: u64) -> Option<Delivery> {
        let held = self.held.remove(&number)?;
        self.since.remove(&number);
        Some(held.delivery)
    }

    /// Undoes a delivery. Whether the task waits now as if it had never been delivered.
    pub(super) fn release(&mut self, number: u64, now: Instant) -> bool {
        let Some(held) = self.held.get_mut(&number) else {
            return false;
        };
        let delivery = &mut held.delivery;
        delivery.deliveries = delivery.deliveries.saturating_sub(1);
        if delivery.deliveries > 0 {
            held.lost = true;
            self.offer_again(now);
            return false;
        }
        if let Some(held) = self.held.remove(&number) {
            self.wait(number, held.delivery);
        }
        true
    }

    fn wait(&mut self, number: u64, delivery: Delivery) {
        self.waiting.insert(number, delivery);
        self.bell.notify_one();
    }

    pub(super) fn held(&self, task: &TaskId) -> Option<Delivery> {
        let mut held = self.held.values();
        let of_task = held.find(|held| held.delivery.task.id == *task)?;
        Some(of_task.delivery.clone())
    }

    pub(super) fn note(&mut self, sign: &Sign, now: Instant, terms: &Terms) {
        match sign {
            Sign::Restarted => self.lose(now, |_| true),
            Sign::Running(running) => self.note_running(*running, now, terms),
            Sign::Progress(run) => self.renew(run, now, terms),
        }
    }

    fn note_running(&mut self, running: u32, now: Instant, terms: &Terms) {
        self.beat = Some(Beat { at: now, running });
        if running == 0 {
            self.lose(now, |held| held.is_told_of(now, terms));
        } else if count(running) < self.held.len() {
            // One whose lease is over may be offered now.
            self.offer_again(now);
        }
    }

    fn renew(&mut self, run: &RunId, now: Instant, terms: &Terms) {
        for held in self.held.values_mut() {
            if held.delivery.task.run == *run {
                let lease = held.delivery.task.timeout.saturating_add(terms.lease_grace);
                held.since = now;
                held.lease_end = after(now, lease);
                // Whatever we thought, it is being worked on.
                held.lost = false;
            }
        }
    }

    /// The worker does not run those that `are_lost`.
    fn lose(&mut self, now: Instant, are_lost: impl Fn(&Held) -> bool) {
        let mut any = false;
        for held in self.held.values_mut().filter(|held| are_lost(held)) {
            held.lost = true;
            any = true;
        }
        if any {
            self.offer_again(now);
        }
    }

    fn offer_again(&mut self, now: Instant) {
        self.quiet_until = Some(now);
        self.bell.notify_one();
    }

    fn pop_waiting(&mut self, now: Instant) -> Option<(u64, Delivery)> {
        let rested = self.resting.first_entry();
        let rested = rested.filter(|entry| entry.get().0 <= now);
        let first = self.waiting.first_key_value().map(|(number, _)| *number);
        match rested {
            Some(rested) if first.is_none_or(|first| *rested.key() < first) => {
                let (number, (_, delivery)) = rested.remove_entry();
                Some((number, delivery))
            }
            _ => self.waiting.pop_first(),
        }
    }

    fn pop_due(&mut self, now: Instant, terms: &Terms) -> Option<(u64, Delivery)> {
        if self.quiet_until.is_none_or(|until| now < until) {
            return None;
        }
        let spare = self.spare(now, terms);
        let is_due = |held: &Held| held.lost || (held.lease_end <= now && spare > 0);
        let due = self.held.iter().find(|(_, held)| is_due(held));
        let due = due.map(|(number, _)| *number);
        let Some(number) = due else {
            self.quiet_until = self.next_lease_end(now, terms);
            return None;
        };
        let held = self.held.remove(&number)?;
        Some((number, held.delivery))
    }

    /// How many of those it holds the worker does not run, as far as it has told.
    ///
    /// A worker that is silent runs none. One that lives runs as many as it says, and besides what
    /// it was handed since, or so shortly before that it could not count it yet.
    fn spare(&self, now: Instant, terms: &Terms) -> usize {
        let held = self.held.values().filter(|held| !held.lost);
        match &self.beat {
            Some(beat) if now < after(beat.at, terms.heartbeat_timeout) => {
                let told = held.filter(|held| held.is_told_of(beat.at, terms)).count();
                told.saturating_sub(count(beat.running))
            }
            _ => held.count(),
        }
    }

    /// When the next lease is over; of those that are over by now, when the worker counts as gone.
    fn next_lease_end(&self, now: Instant, terms: &Terms) -> Option<Instant> {
        let gone = self.beat.as_ref();
        let gone = gone.map_or(now, |beat| after(beat.at, terms.heartbeat_timeout));
        let ends = self.held.values().map(|held| match held.lease_end {
            end if end > now => end,
            _ => gone,
        });
        ends.min()
    }

    fn is_sooner(&self, moment: Instant) -> bool {
        self.quiet_until.is_none_or(|until| moment < until)
    }
}

impl Held {
    /// Whether a sign of life of moment `at` surely came after the worker began with it.
    fn is_told_of(&self, at: Instant, terms: &Terms) -> bool {
        after(self.since, terms.heartbeat_interval.saturating_mul(2)) <= at
    }
}

impl Forgettable for WorkerQueue {
    fn is_idle(&self) -> bool {
        // Whoever waits holds the bell as well.
        let waited_for = Arc::strong_count(&self.bell) > 1;
        self.counts() == (0, 0) && !waited_for
    }
}

fn count(running: u32) -> usize {
    usize::try_from(running).unwrap_or(usize::MAX)
}
