//! Waking a waiting poll the moment there is something for its worker, and nobody else.
//!
//! No poll blocks in Redis. Whoever waits holds a [`Bell`], and one listener rings it:
//! - `events`: Redis tells of every entry in the streams of workers (keyspace notifications);
//! - `shards`: where it cannot, a few connections wait on all streams that somebody waits for;
//! - and gateways tell each other what no entry shows, such as a task that is to be offered again.
//!
//! A ring may be lost, with a connection for instance. So all bells ring when one is made anew, and
//! whoever waits looks by itself now and then.

mod bells;
mod events;
mod shards;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use gateway_core::domain::id::{RunId, WorkerId};

use self::bells::Bells;
use super::keys::Keys;
use super::link::Link;

pub(super) use self::bells::Bell;

/// What a bell is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Tasks of a worker.
    Task,
    /// Commands for a worker.
    Control,
}

/// How the doorbell hears of new entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Ear {
    /// It does not, for now.
    Deaf = 0,
    /// Redis tells it.
    Events = 1,
    /// It waits on the streams.
    Shards = 2,
}

/// The bells of all who wait in this process. Clones share them.
#[derive(Clone)]
pub(super) struct Doorbell(Arc<Inner>);

type Moved = Box<dyn Fn(Option<&RunId>) + Send + Sync>;

struct Inner {
    keys: Keys,
    tasks: Bells,
    controls: Bells,
    ear: AtomicU8,
    /// Called with each run that was moved to another worker, by whichever gateway; with none, if
    /// that may have been any.
    moved: Moved,
    /// Streams that somebody began to wait for, for `shards`.
    shards: shards::Shards,
}

impl Doorbell {
    /// Begins to listen, for as long as anybody holds it. `moved` is told of runs that go from one
    /// worker to another, and told none where it may have missed some.
    pub(super) fn hang(
        link: &Link,
        keys: &Keys,
        moved: impl Fn(Option<&RunId>) + Send + Sync + 'static,
    ) -> Self {
        let doorbell = Self::new(keys, Box::new(moved));
        events::spawn(link, &doorbell);
        doorbell
    }

    fn new(keys: &Keys, moved: Moved) -> Self {
        Self(Arc::new(Inner {
            keys: keys.clone(),
            tasks: Bells::default(),
            controls: Bells::default(),
            ear: AtomicU8::new(Ear::Deaf as u8),
            moved,
            shards: shards::Shards::default(),
        }))
    }

    /// The bell of `worker`; while it is held, it rings.
    pub(super) fn bell(&self, kind: Kind, worker: &WorkerId) -> Bell {
        let trusted = self.ear() == Ear::Events;
        let bell = self.bells(kind).hold(worker, trusted);
        // Whoever changes the ear watches for all whose bell hangs by then.
        if self.ear() == Ear::Shards {
            self.0.shards.watch(self.stream(kind, worker));
        }
        bell
    }

    /// How long whoever waits may go without a look of its own.
    pub(super) fn patience(&self) -> Duration {
        match self.ear() {
            Ear::Events | Ear::Shards => Duration::from_secs(30),
            Ear::Deaf => Duration::from_millis(500),
        }
    }

    /// Waits on the streams of all who wait by now.
    fn watch_all(&self) {
        for kind in [Kind::Task, Kind::Control] {
            for worker in self.bells(kind).workers() {
                self.0.shards.watch(self.stream(kind, &worker));
            }
        }
    }

    fn bells(&self, kind: Kind) -> &Bells {
        match kind {
            Kind::Task => &self.0.tasks,
            Kind::Control => &self.0.controls,
        }
    }

    fn stream(&self, kind: Kind, worker: &WorkerId) -> String {
        match kind {
            Kind::Task => self.0.keys.ready(worker),
            Kind::Control => self.0.keys.control(worker),
        }
    }

    /// An entry came to `stream`.
    fn ring_stream(&self, stream: &str) {
        if let Some(worker) = stream.strip_prefix(&self.0.keys.ready_prefix()) {
            self.0.tasks.ring(worker);
        } else if stream == self.0.keys.control_global() {
            self.0.controls.ring_all();
        } else if let Some(worker) = stream.strip_prefix(&self.0.keys.control_prefix()) {
            self.0.controls.ring(worker);
        }
    }

    /// Another gateway, or this one, says so.
    fn ring_message(&self, message: &str) {
        match message.split_once(' ') {
            Some(("task", worker)) => self.0.tasks.ring(worker),
            Some(("control", worker)) => self.0.controls.ring(worker),
            Some(("owner", run)) => {
                if let Ok(run) = RunId::parse(run) {
                    (self.0.moved)(Some(&run));
                }
            }
            _ => tracing::debug!(message, "a message on the bell that nobody knows"),
        }
    }

    /// Whatever there was to hear may have been missed.
    fn ring_all(&self) {
        (self.0.moved)(None);
        self.0.tasks.ring_all();
        self.0.controls.ring_all();
    }

    /// Forgets the bells that nobody holds and that tell nothing any more.
    fn sweep(&self) {
        self.0.tasks.sweep();
        self.0.controls.sweep();
    }

    fn ear(&self) -> Ear {
        match self.0.ear.load(Ordering::SeqCst) {
            1 => Ear::Events,
            2 => Ear::Shards,
            _ => Ear::Deaf,
        }
    }

    fn hear_by(&self, ear: Ear) {
        self.0.ear.store(ear as u8, Ordering::SeqCst);
        if ear == Ear::Shards {
            self.watch_all();
        }
        // Those who wait go by the patience of before, and may have missed something.
        self.ring_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_before_the_streams_are_waited_on_is_woken_by_them() {
        let doorbell = Doorbell::new(&Keys::new("n"), Box::new(|_| {}));
        let worker = WorkerId::parse("w").expect("is an identifier");
        let _task = doorbell.bell(Kind::Task, &worker);
        let _control = doorbell.bell(Kind::Control, &worker);
        assert!(doorbell.0.shards.watched().is_empty());

        doorbell.hear_by(Ear::Shards);
        let mut watched = doorbell.0.shards.watched();
        watched.sort();
        assert_eq!(watched, ["n:control:w", "n:task:ready:w"]);
    }
}
