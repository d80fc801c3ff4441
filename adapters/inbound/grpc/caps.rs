//! How many calls may be under way at once: in all, and of one worker.
//!
//! Whoever is one too many hears so at once, before the body of its call is read. Polls that wait
//! and live channels cost next to nothing, so that they are not among the calls in all; of polls, a
//! worker has a few of each kind.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::Class;
use gateway_core::ports::LimitError;
use metrics::{counter, gauge};

use super::kind::Kind;
use crate::metrics::{REFUSALS, WAITING_POLLS};

/// When to come back. Calls end sooner, as a rule; but many will come back at once.
const RETRY: Duration = Duration::from_secs(1);

/// How many there may be at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Calls in all that do not wait. The last quarter is for what keeps work going.
    pub(super) calls: usize,
    /// Calls of one worker that do not wait.
    pub(super) calls_per_worker: usize,
    /// Polls of one worker that wait, of each kind.
    pub(super) polls_per_worker: usize,
}

/// The calls under way. Clones share them.
#[derive(Clone)]
pub(super) struct Caps(Arc<Inner>);

struct Inner {
    settings: Settings,
    calls: AtomicUsize,
    /// Those who have calls under way, and nobody else.
    workers: Mutex<HashMap<WorkerId, Held>>,
}

/// How many of each kind a worker has under way.
#[derive(Default)]
struct Held {
    calls: usize,
    task_polls: usize,
    control_polls: usize,
}

impl Caps {
    pub(super) fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            calls: AtomicUsize::new(0),
            workers: Mutex::default(),
        }))
    }

    /// A place among the calls in all, whoever makes it.
    pub(super) fn enter(&self, class: Class) -> Result<Entered, LimitError> {
        let all = self.0.settings.calls;
        let room = match class {
            Class::Control => all,
            // At least one, or nobody would ever get a task.
            Class::Poll | Class::Log => (all - all / 4).max(1),
        };
        let entered = Entered(self.0.clone());
        // The place is taken first, and given back with `entered` where it was one too many.
        if self.0.calls.fetch_add(1, Ordering::Relaxed) >= room {
            return Err(crowded("gateway_calls", "too many calls under way"));
        }
        Ok(entered)
    }

    /// A place for a call of `worker`; a live channel needs none.
    pub(super) fn seat(&self, worker: &WorkerId, kind: Kind) -> Result<Option<Seat>, LimitError> {
        let Settings {
            calls_per_worker,
            polls_per_worker,
            ..
        } = self.0.settings;
        let (max, class, what) = match kind {
            Kind::Live => return Ok(None),
            Kind::PollTask | Kind::PollControl => {
                let what = "too many polls of one worker wait";
                (polls_per_worker, "worker_polls", what)
            }
            Kind::Log | Kind::Other => {
                let what = "too many calls of one worker under way";
                (calls_per_worker, "worker_calls", what)
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
        Ok(Some(Seat {
            caps: self.0.clone(),
            worker: worker.clone(),
            kind,
        }))
    }
}

impl Inner {
    fn workers(&self) -> MutexGuard<'_, HashMap<WorkerId, Held>> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn of(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::PollTask => &mut self.task_polls,
            Kind::PollControl => &mut self.control_polls,
            Kind::Log | Kind::Other | Kind::Live => &mut self.calls,
        }
    }

    fn is_empty(&self) -> bool {
        self.calls == 0 && self.task_polls == 0 && self.control_polls == 0
    }
}

/// A place among the calls in all, for as long as it is held.
pub(super) struct Entered(Arc<Inner>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A worker's place for one call, for as long as it is held.
pub(super) struct Seat {
    caps: Arc<Inner>,
    worker: WorkerId,
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

fn crowded(class: &'static str, what: &'static str) -> LimitError {
    counter!(REFUSALS, "class" => class).increment(1);
    LimitError::Crowded {
        what,
        retry_after: RETRY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(calls: usize) -> Caps {
        Caps::new(Settings {
            calls,
            calls_per_worker: 3,
            polls_per_worker: 2,
        })
    }

    fn worker(id: &str) -> WorkerId {
        WorkerId::parse(id).expect("is an identifier")
    }

    fn enter(caps: &Caps, class: Class, times: usize) -> Vec<Entered> {
        let each = (0..times).filter_map(|_| caps.enter(class).ok());
        each.collect()
    }

    #[test]
    fn the_last_quarter_is_for_what_keeps_work_going() {
        let caps = caps(8);
        let logs = enter(&caps, Class::Log, 20);
        let polls = enter(&caps, Class::Poll, 20);
        let control = enter(&caps, Class::Control, 20);
        assert_eq!((logs.len(), polls.len(), control.len()), (6, 0, 2));

        drop(logs);
        assert_eq!(enter(&caps, Class::Control, 20).len(), 6);
        assert_eq!(caps.0.calls.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn each_kind_of_poll_and_all_other_calls_have_places_of_their_own() {
        let (caps, w) = (caps(100), worker("w"));
        let seats = |of: &WorkerId, kind| -> Vec<Seat> {
            let each = (0..10).map(|_| caps.seat(of, kind));
            each.filter_map(|seat| seat.ok().flatten()).collect()
        };

        let tasks = seats(&w, Kind::PollTask);
        let controls = seats(&w, Kind::PollControl);
        let (logs, others) = (seats(&w, Kind::Log), seats(&w, Kind::Other));
        assert_eq!(
            (tasks.len(), controls.len(), logs.len(), others.len()),
            (2, 2, 3, 0)
        );
        assert_eq!(seats(&worker("v"), Kind::Other).len(), 3);
        let live = caps.seat(&w, Kind::Live).expect("needs none");
        assert!(live.is_none());
    }

    /// T28: nothing is remembered of a worker that has no call under way.
    #[test]
    fn with_the_last_call_its_worker_is_forgotten() {
        let caps = caps(100);
        let seats: Vec<_> = (0..10_000)
            .map(|number| caps.seat(&worker(&format!("w-{number}")), Kind::Other))
            .collect();
        assert_eq!(caps.0.workers().len(), 10_000);

        drop(seats);
        assert!(caps.0.workers().is_empty());
        assert!(caps.0.workers().capacity() <= 64);
    }
}
