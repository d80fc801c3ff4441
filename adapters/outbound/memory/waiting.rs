//! Waiting for something to come, without asking again and again.

use std::hash::{BuildHasher, Hash, RandomState};
use std::pin::pin;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, Instant};

/// What a look came to.
#[derive(Debug)]
pub(super) enum Look<T> {
    /// Here it is.
    Found(T),
    /// There is nothing, and without an event there will be nothing before this moment.
    Nothing { until: Option<Instant> },
}

/// Looks, and looks again whenever `bell` rings or time brings something, until something is found
/// or `wait` is over.
///
/// What is found is taken in the very poll that returns it, so a call that is dropped has taken
/// nothing. A ring that reaches a dropped call goes on to another.
pub(super) async fn wait_for<T>(
    bell: &Notify,
    wait: Duration,
    mut look: impl FnMut(Instant) -> Look<T>,
) -> Option<T> {
    let deadline = after(Instant::now(), wait);
    loop {
        let ring = bell.notified();
        let mut ring = pin!(ring);
        // From here on no ring is missed, so that nothing can come between the look and the wait.
        ring.as_mut().enable();
        let now = Instant::now();
        let until = match look(now) {
            Look::Found(found) => return Some(found),
            Look::Nothing { until } => until,
        };
        if now >= deadline {
            return None;
        }
        let until = until.map_or(deadline, |until| until.min(deadline));
        // Rung or over, one looks again.
        let _rung = time::timeout_at(until, ring).await;
    }
}

/// The moment `wait` after `now`, or one that nobody lives to see.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(262_800);
    now.checked_add(wait.min(FAR)).unwrap_or(now)
}

/// A bell for each of any number of things. Some share one, so that a ring may be for another; it
/// never goes unheard.
#[derive(Debug)]
pub(super) struct Bells {
    bells: [Notify; 64],
    hasher: RandomState,
}

impl Bells {
    /// The bell of `thing`.
    pub(super) fn of(&self, thing: &impl Hash) -> &Notify {
        let count = self.bells.len() as u64;
        let place = usize::try_from(self.hasher.hash_one(thing) % count);
        &self.bells[place.unwrap_or_default()]
    }

    /// Wakes all who wait for `thing`.
    pub(super) fn ring(&self, thing: &impl Hash) {
        self.of(thing).notify_waiters();
    }
}

impl Default for Bells {
    fn default() -> Self {
        Self {
            bells: std::array::from_fn(|_| Notify::new()),
            hasher: RandomState::new(),
        }
    }
}
