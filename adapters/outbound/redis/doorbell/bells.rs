use std::ops::Deref;
use std::sync::Arc;

use dashmap::DashMap;
use gateway_core::domain::id::WorkerId;
use tokio::sync::Notify;

/// A bell for each worker that somebody waits for.
#[derive(Default)]
pub(super) struct Bells(Arc<DashMap<WorkerId, Arc<Notify>>>);

impl Bells {
    pub(super) fn hold(&self, worker: &WorkerId) -> Bell {
        let notify = self.0.entry(worker.clone()).or_default().clone();
        Bell {
            notify,
            worker: worker.clone(),
            bells: self.0.clone(),
        }
    }

    /// Wakes all who wait for `worker`: each takes what it can.
    pub(super) fn ring(&self, worker: &str) {
        if let Some(bell) = self.0.get(worker) {
            bell.notify_waiters();
        }
    }

    pub(super) fn ring_all(&self) {
        for bell in self.0.iter() {
            bell.notify_waiters();
        }
    }
}

/// The bell of one worker. It hangs as long as it is held.
pub(in super::super) struct Bell {
    notify: Arc<Notify>,
    worker: WorkerId,
    bells: Arc<DashMap<WorkerId, Arc<Notify>>>,
}

impl Deref for Bell {
    type Target = Notify;

    fn deref(&self) -> &Notify {
        &self.notify
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        // The map's and ours: nobody else waits, and nobody can begin to while the map is locked.
        self.bells
            .remove_if(&self.worker, |_, bell| Arc::strong_count(bell) <= 2);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::FutureExt as _;

    use super::*;

    fn worker(id: &str) -> WorkerId {
        WorkerId::parse(id).expect("is an identifier")
    }

    #[tokio::test]
    async fn a_ring_wakes_all_who_wait_for_the_worker_and_nobody_else() {
        let bells = Bells::default();
        let (one, two, other) = (
            bells.hold(&worker("a")),
            bells.hold(&worker("a")),
            bells.hold(&worker("b")),
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
        let one = bells.hold(&worker("a"));
        let two = bells.hold(&worker("a"));

        drop(one);
        assert_eq!(bells.0.len(), 1);
        drop(two);
        assert_eq!(bells.0.len(), 0);
    }
}
