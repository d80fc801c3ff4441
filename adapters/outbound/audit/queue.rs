use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::domain::audit::AuditEvent;
use metrics::counter;

use crate::metrics::AUDIT_EVENTS;

/// Events that wait at the most.
pub(super) const CAPACITY: usize = 8192;

/// What waits to be written. Whoever puts something in does not wait.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<AuditEvent>,
    dropped: u64,
    closed: bool,
}

/// What is to be written next.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) events: Vec<AuditEvent>,
    /// How many there was no room for since.
    pub(super) dropped: u64,
    /// Whether nothing comes after.
    pub(super) last: bool,
}

impl Queue {
    /// Puts `event` in, or counts it if there is no room.
    pub(super) fn put(&self, event: AuditEvent) {
        let mut waiting = self.lock();
        if waiting.closed || waiting.events.len() >= CAPACITY {
            waiting.dropped += 1;
            drop(waiting);
            counter!(AUDIT_EVENTS, "outcome" => "dropped").increment(1);
            return;
        }
        waiting.events.push_back(event);
        drop(waiting);
        self.news.notify_one();
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_all();
    }

    /// Takes up to `limit` events; if there are none, waits for one, but no longer than `patience`.
    pub(super) fn take(&self, limit: usize, patience: Duration) -> Taken {
        let idle = |waiting: &mut Waiting| waiting.events.is_empty() && !waiting.closed;
        let waited = self.news.wait_timeout_while(self.lock(), patience, idle);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let count = limit.min(waiting.events.len());
        Taken {
            events: waiting.events.drain(..count).collect(),
            dropped: std::mem::take(&mut waiting.dropped),
            last: waiting.closed && waiting.events.is_empty(),
        }
    }

    /// Waits for `pause`, or until nothing more is let in; whether that is so.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let open = |waiting: &mut Waiting| !waiting.closed;
        let waited = self.news.wait_timeout_while(self.lock(), pause, open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Waits for `pause`, whatever happens meanwhile.
    pub(super) fn rest(&self, pause: Duration) {
        drop(self.news.wait_timeout_while(self.lock(), pause, |_| true));
    }

    /// Gives up all that waits: how many that are, with those there was no room for.
    pub(super) fn give_up(&self) -> (u64, u64) {
        let mut waiting = self.lock();
        let events = waiting.events.drain(..).len() as u64;
        (events, std::mem::take(&mut waiting.dropped))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
