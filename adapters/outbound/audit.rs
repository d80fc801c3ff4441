//! The audit in a file of its own: a line a record, each with the hash of the one before, so that
//! whoever changes the past has to change all that came after, too.
//!
//! - `record`: what a record looks like, and how it is tied to the one before.
//! - `target`: where records go. `file`: how the file is rotated. `writer`: the thread that writes.
//! - `verify`: whether the chain holds. `tee`: more than one audit at once.
//! - `coalesced`: what is counted instead of written.

mod coalesced;
mod file;
mod queue;
mod record;
mod target;
mod tee;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use gateway_core::domain::audit::AuditEvent;
use gateway_core::ports::{self, Clock};
use tokio::sync::oneshot;

pub use self::coalesced::Coalesced;
pub use self::file::{OpenError, files_of};
pub use self::tee::Tee;
pub use self::verify::{Break, Link, Verified, verify, verify_all_of};

use self::queue::Queue;
use self::target::Target;
use self::writer::Writer;

/// How long the end waits for what is to be written yet.
const FAREWELL: Duration = Duration::from_secs(5);

/// Where the audit goes, and how much of it is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file; standard output without one.
    pub file: Option<PathBuf>,
    /// The size from which on a new file is begun, in bytes.
    pub max_bytes: u64,
    /// How many files are kept besides the one that is written.
    pub kept: usize,
    /// Whether somebody else who writes the file is waited for, instead of giving up.
    pub patient: bool,
}

/// An [`AuditLog`](ports::AuditLog) that a thread writes to a file or to standard output.
pub struct AuditFile {
    queue: Arc<Queue>,
    done: Mutex<Option<oneshot::Receiver<()>>>,
}

impl AuditFile {
    /// Opens the file, goes on where its chain ended, and begins to write.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the file cannot be written, is another's, or ends in what is no record.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (target, start) = Target::open(settings)?;
        let queue = Arc::new(Queue::default());
        let (tell, done) = oneshot::channel();
        let writer = Writer::new(queue.clone(), target, start, clock);
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || {
                writer.run();
                // Whoever waits for the end may have gone.
                let _unheard = tell.send(());
            })
            .map_err(|error: io::Error| OpenError::File(error, "its thread".into()))?;
        Ok(Self {
            queue,
            done: Mutex::new(Some(done)),
        })
    }

    /// Writes what is left, and ends. What is recorded later is dropped.
    pub async fn close(&self) {
        self.queue.close();
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        let done = self
            .done
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(done) = done else { return };
        if tokio::time::timeout(FAREWELL, done).await.is_err() {
            tracing::error!("the audit did not end in time: the last of it may be lost");
        }
    }
}

impl ports::AuditLog for AuditFile {
    fn record(&self, event: AuditEvent) {
        self.queue.put(event);
    }
}

impl Drop for AuditFile {
    fn drop(&mut self) {
        self.queue.close();
    }
}
