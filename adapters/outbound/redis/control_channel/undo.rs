//! Undoing a take of which nobody hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backon::{ExponentialBuilder, Retryable as _};
use gateway_core::domain::id::WorkerId;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::Mailboxes;

/// A name for one take, so that it can be repeated and undone.
pub(super) fn token() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// Undoes a take when it is dropped, unless there is nothing to undo.
pub(super) struct Undo {
    mailboxes: Arc<Mailboxes>,
    worker: WorkerId,
    token: String,
    /// Whether something may have been taken.
    armed: AtomicBool,
}

impl Undo {
    pub(super) fn new(mailboxes: &Arc<Mailboxes>, worker: &WorkerId) -> Self {
        Self {
            mailboxes: mailboxes.clone(),
            worker: worker.clone(),
            token: token(),
            armed: AtomicBool::new(false),
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// From here on something may have been taken.
    pub(super) fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    /// There is nothing to undo, for now.
    pub(super) fn forget(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !*self.armed.get_mut() {
            return;
        }
        let (mailboxes, worker) = (self.mailboxes.clone(), self.worker.clone());
        let token = std::mem::take(&mut self.token);
        runtime.spawn(async move {
            let attempt = || mailboxes.release(&worker, &token, None);
            let pauses = ExponentialBuilder::default().without_max_times();
            // Once the lease is over it is delivered again all the same.
            let lease = mailboxes.shared.settings.command_lease;
            if timeout(lease, attempt.retry(pauses)).await.is_err() {
                tracing::debug!(%worker, "a take could not be undone");
            }
        });
    }
}
