use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use gateway_core::domain::id::WorkerId;
use tokio::sync::Notify;
use tokio::time::Instant;

type Hung = Arc<DashMap<WorkerId, Arc<Clapper>>>;

/// A bell for each worker that somebody waits for, or waited for a moment ago.
#[derive(Default)]
pub(super) struct Bells(Hung);

#[derive(Default)]
struct Clapper {
    notify: Notify,
    rings: AtomicU64,
    /// After how many rings a look found nothing, and until when there will be nothing unless it
    /// rings again.
    quiet: Mutex<Option<(u64, Instant)>>,
}

impl Bells {
    /// The bell of `worker`. What was quiet before counts only if it is `trusted`.
    pub(super) fn hold(&self, worker: &WorkerId, trusted: bool) -> Bell {
        let clapper = self.0.entry(worker.clone()).or_default().clone();
        Bell {
            clapper,
            worker: worker.clone(),
            hung: self.0.clone(),
            trusted,
        }
    }

    /// Wakes all who wait for `worker`: each takes what it can.
    pub(super) fn ring(&self, worker: &str) {
        if let Some(clapper) = self.0.get(worker) {
            clapper.ring();
        }
    }

    pub(super) fn ring_all(&self) {
        for clapper in self.0.iter() {
            clapper.ring();
        }
    }

    /// The workers that have a bell.
    pub(super) fn workers(&self) -> Vec<WorkerId> {
        self.0.iter().map(|hung| hung.key().clone()).collect()
    }

    /// Takes those down that nobody holds and that tell nothing any more.
    pub(super) fn sweep(&self) {
        self.0
            .retain(|_, clapper| Arc::strong_count(clapper) > 1 || clapper.quiet_until().is_some());
    }
}

impl Clapper {
    fn ring(&self) {
        // In this order: who does not see the ring counted is woken by it.
        self.rings.fetch_add(1, Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    /// Until when there is nothing, if that is known and it has not rung since.
    fn quiet_until(&self) -> Option<Instant> {
        let (rings, until) = (*self.quiet())?;
        let counts = rings == self.rings.load(Ordering::SeqCst) && Instant::now() < until;
        counts.then_some(until)
    }

    fn quiet(&self) -> MutexGuard<'_, Option<(u64, Instant)>> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bell of one worker. It hangs as long as it is held, and while it is known to be quiet.
pub(in super::super) struct Bell {
    clapper: Arc<Clapper>,
    worker: WorkerId,
    hung: Hung,
    trusted: bool,
}

impl Bell {
    /// The same bell for somebody who looks for other things: what others found is nothing to it.
    pub(in super::super) fn distrusted(mut self) -> Self {
        self.trusted = false;
        self
    }

    /// How often it has rung.
    pub(in super::super) fn rings(&self) -> u64 {
        self.clapper.rings.load(Ordering::SeqCst)
    }

    /// Until when there is nothing, as an earlier look found and no ring has told otherwise since.
    pub(in super::super) fn quiet_until(&self) -> Option<Instant> {
        self.clapper.quiet_until().filter(|_| self.trusted)
    }

    /// A look that was begun after so many `rings` found that there is nothing until then.
    pub(in super::super) fn be_quiet(&self, rings: u64, until: Instant) {
        if self.trusted {
            *self.clapper.quiet() = Some((rings, until));
        }
    }
}

impl Deref for Bell {
    type Target = Notify;

    fn deref(&self) -> &Notify {
        &self.clapper.notify
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if self.quiet_until().is_some() {
            return;
        }
        // The map's and ours: nobody else waits, and nobody can begin to while the map is locked.
        self.hung
            .remove_if(&self.worker, |_, clapper| Arc::strong_count(clapper) <= 2);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    fn worker(id: &str) -> WorkerId {
        WorkerId::parse(id).expect("is an identifier")
    }

    #[tokio::test]
    async fn a_ring_wakes_all_who_wait_for_the_worker_and_nobody_else() {
        let bells = Bells::default();
        let (one, two, other) = (
            bells.hold(&worker("a"), true),
            bells.hold(&worker("a"), true),
            bells.hold(&worker("b"), true),
        );
        let mut other = pin!(other.notified());
        let waits = futures::future::join(one.notified(), two.notified());
        let mut waits = pin!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        assert!(other.as_mut().now_or_never().is_none());

        bells.ring("a");
        waits.await;
        assert!(other.as_mut().now_or_never().is_none());
        bells.ring_all();
        other.await;
    }

    #[test]
    fn a_bell_that_nobody_holds_is_taken_down() {
        let bells = Bells::default();
        let one = bells.hold(&worker("a"), true);
        let two = bells.hold(&worker("a"), true);

        drop(one);
        assert_eq!(bells.0.len(), 1);
        drop(two);
        assert_eq!(bells.0.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bell_is_quiet_until_it_rings_or_its_time_is_over() {
        let bells = Bells::default();
        let until = Instant::now() + Duration::from_secs(1);
        let bell = bells.hold(&worker("a"), true);
        assert_eq!(bell.quiet_until(), None);
        bell.be_quiet(bell.rings(), until);
        drop(bell);
        bells.sweep();

        let bell = bells.hold(&worker("a"), true);
        assert_eq!(bell.quiet_until(), Some(until));
        assert_eq!(bells.hold(&worker("a"), false).quiet_until(), None);
        bells.ring("a");
        assert_eq!(bell.quiet_until(), None);

        bell.be_quiet(bell.rings(), until);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(bell.quiet_until(), None);
        drop(bell);
        assert_eq!(bells.0.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_during_a_look_is_not_taken_for_quiet() {
        let bells = Bells::default();
        let bell = bells.hold(&worker("a"), true);

        let rings = bell.rings();
        bells.ring("a");
        bell.be_quiet(rings, Instant::now() + Duration::from_secs(1));
        assert_eq!(bell.quiet_until(), None);
    }
}
