use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Whether calls are made over a connection, and since when not.
pub(super) struct Activity(Mutex<State>);

struct State {
    calls: usize,
    /// When the last call ended; at first, when the connection was opened.
    quiet_since: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Mutex::new(State {
            calls: 0,
            quiet_since: Instant::now(),
        }))
    }
}

impl Activity {
    /// A call begins, and lasts until what this returns is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Call {
        self.state().calls += 1;
        Call(self.clone())
    }

    /// Since when there is no call; none if there is one.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.calls == 0).then_some(state.quiet_since)
    }

    /// Waits until from now on there has been no call for so long.
    pub(super) async fn silence(&self, long: Duration) {
        let mut over = Instant::now() + long;
        loop {
            sleep_until(over).await;
            let now = Instant::now();
            // A call that ends in the meantime has ended now, at the earliest.
            over = over.max(self.quiet_since().unwrap_or(now) + long);
            if over <= now {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is being made.
pub(super) struct Call(Arc<Activity>);

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.calls -= 1;
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_begins_anew_with_each_call() {
        const LONG: Duration = Duration::from_secs(2);
        const HALF: Duration = Duration::from_secs(1);
        let activity = Arc::new(Activity::default());
        let began = Instant::now();
        let mut silence = Box::pin(activity.silence(LONG));

        assert!(silence.as_mut().now_or_never().is_none());
        advance(HALF).await;
        let call = activity.begin();
        advance(2 * LONG).await;
        assert!(silence.as_mut().now_or_never().is_none());
        drop(call);
        let ended = Instant::now();
        drop(activity.begin());
        silence.await;
        assert_eq!(Instant::now() - ended, LONG);
        assert!(ended - began > LONG);
    }
}
