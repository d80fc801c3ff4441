use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

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
