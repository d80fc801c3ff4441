//! How many calls may be under way at once, and what their messages may weigh: in all, and of one
//! worker.
//!
//! Whoever is one too many hears so at once, before the body of its call is read. Polls that wait
//! and live channels cost next to nothing, so that they are not among the calls in all; of either, a
//! worker has a few. Those of whom nobody knows yet who they are have [places](strangers) of their
//! own, and messages of some size need [room].

mod held;
mod room;
mod strangers;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::Class;
use gateway_core::ports::LimitError;
use metrics::{counter, gauge};

use self::held::Held;
use self::room::{Room, Taken};
pub(super) use self::strangers::Stranger;
use self::strangers::{Bounds, Strangers};
use super::kind::Kind;
use crate::metrics::{REFUSALS, WAITING_POLLS};

/// When to come back. Calls end sooner, as a rule; but many will come back at once.
const RETRY: Duration = Duration::from_secs(1);

/// How many there may be at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Calls in all that do not wait. The last quarter is for what keeps work going.
    pub(super) calls: usize,
    /// Calls of one worker that do not wait: those that bring logs, and all others.
    pub(super) calls_per_worker: usize,
    /// Polls of one worker that wait, of each kind, and live channels.
    pub(super) polls_per_worker: usize,
    /// What messages may weigh in all, in bytes. The last quarter is for what keeps work going.
    pub(super) bytes: usize,
    /// The same of one worker.
    pub(super) bytes_per_worker: usize,
}

/// The calls under way. Clones share them.
#[derive(Clone)]
pub(super) struct Caps(Arc<Inner>);

struct Inner {
    settings: Settings,
    calls: AtomicUsize,
    strangers: Arc<Strangers>,
    room: Room,
    /// Those who have calls under way, and nobody else.
    workers: Mutex<HashMap<WorkerId, Held>>,
}

impl Caps {
    pub(super) fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            calls: AtomicUsize::new(0),
            strangers: Strangers::new(Bounds::beside(settings.calls)),
            room: Room::new(settings.bytes),
            workers: Mutex::default(),
        }))
    }

    /// A place for a call of whom nobody knows yet who makes it. It waits for one, unless there is
    /// no place among all calls to go on to.
    pub(super) async fn queue(
        &self,
        peer: Option<IpAddr>,
        class: Class,
    ) -> Result<Stranger, LimitError> {
        if self.0.calls.load(Ordering::Relaxed) >= self.places(class) {
            return Err(full());
        }
        self.0.strangers.enter(peer).await
    }

    /// A place among the calls in all.
    pub(super) fn enter(&self, class: Class) -> Result<Entered, LimitError> {
        let entered = Entered(self.0.clone());
        // The place is taken first, and given back with `entered` where it was one too many.
        if self.0.calls.fetch_add(1, Ordering::Relaxed) >= self.places(class) {
            return Err(full());
        }
        Ok(entered)
    }

    fn places(&self, class: Class) -> usize {
        let all = self.0.settings.calls;
        match class {
            Class::Control => all,
            // At least one, or nobody would ever get a task.
            Class::Poll | Class::Log => (all - all / 4).max(1),
        }
    }

    /// A place for a call of `worker`.
    pub(super) fn seat(&self, worker: &WorkerId, kind: Kind) -> Result<Seat, LimitError> {
        let settings = &self.0.settings;
        let (max, class, what) = match kind {
            Kind::PollTask | Kind::PollControl => {
                let what = "too many polls of one worker wait";
                (settings.polls_per_worker, "worker_polls", what)
            }
            Kind::Live => {
                let what = "too many live channels of one worker are open";
                (settings.polls_per_worker, "worker_channels", what)
            }
            Kind::Log => {
                let what = "too many logs of one worker under way";
                (settings.calls_per_worker, "worker_logs", what)
            }
            Kind::Other => {
                let what = "too many calls of one worker under way";
                (settings.calls_per_worker, "worker_calls", what)
            }
        };
        {
            let mut workers = self.0.workers();
            // The name is cloned for the first of its calls alone.
            if !workers.contains_key(worker) {
                workers.insert(worker.clone(), Held::default());
            }
            let held = workers.get_mut(worker).map(|held| held.of(kind));
            match held {
                Some(held) if *held < max => *held += 1,
                // Somebody holds what is there already, so that it goes with its last call.
                Some(_) | None => return Err(crowded(class, what)),
            }
        }
        if let Some(name) = kind.poll() {
            gauge!(WAITING_POLLS, "kind" => name).increment(1);
        }
        Ok(Seat {
            caps: self.0.clone(),
            worker: worker.clone(),
            kind,
        })
    }

    /// Room for a message of so many bytes, of `worker` if it is known whose it is.
    pub(super) async fn weigh(
        self,
        worker: Option<WorkerId>,
        class: Class,
        bytes: u64,
    ) -> Result<Weight, LimitError> {
        let own = match worker.and_then(|worker| self.0.room_of(&worker)) {
            Some(room) => {
                let own = room.take(bytes, class).await;
                let what = "too many bytes of one worker under way";
                Some(own.ok_or_else(|| crowded("worker_bytes", what))?)
            }
            None => None,
        };
        let all = self.0.room.take(bytes, class).await;
        let all = all.ok_or_else(|| crowded("gateway_bytes", "too many bytes under way"))?;
        Ok(Weight {
            _own: own,
            _all: all,
        })
    }
}

impl Inner {
    fn workers(&self) -> MutexGuard<'_, HashMap<WorkerId, Held>> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The room of a worker that has a call under way.
    fn room_of(&self, worker: &WorkerId) -> Option<Arc<Room>> {
        let mut workers = self.workers();
        let held = workers.get_mut(worker)?;
        Some(held.room(self.settings.bytes_per_worker))
    }
}

/// A place among the calls in all, for as long as it is held.
pub(super) struct Entered(Arc<Inner>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Room for a message, for as long as it is held.
pub(super) struct Weight {
    _own: Option<Taken>,
    _all: Taken,
}

/// A worker's place for one call, for as long as it is held.
pub(super) struct Seat {
    caps: Arc<Inner>,
    pub(super) worker: WorkerId,
    kind: Kind,
}

impl Drop for Seat {
    fn drop(&mut self) {
        {
            let mut workers = self.caps.workers();
            if let Some(held) = workers.get_mut(&self.worker) {
                *held.of(self.kind) -= 1;
                if held.is_empty() {
                    workers.remove(&self.worker);
                }
            }
            // What many needed at once is not kept for ever.
            if workers.capacity() > 64 && workers.len() < workers.capacity() / 8 {
                workers.shrink_to_fit();
            }
        }
        if let Some(name) = self.kind.poll() {
            gauge!(WAITING_POLLS, "kind" => name).decrement(1);
        }
    }
}

fn full() -> LimitError {
    crowded("gateway_calls", "too many calls under way")
}

fn crowded(class: &'static str, what: &'static str) -> LimitError {
    counter!(REFUSALS, "class" => class).increment(1);
    LimitError::Crowded {
        what,
        retry_after: RETRY,
    }
}
