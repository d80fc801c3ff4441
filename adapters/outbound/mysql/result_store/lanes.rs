//! Group commit: reports that come at the same time share a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use super::committer::{Committer, Entry};

/// Transactions at once: while some are made durable, others gather and compute. With more they
/// are smaller, and each costs the same wait for the disk.
const LANES: usize = 3;

/// Reports that may wait for a lane. Beyond it callers wait outside.
const WAITING: usize = 4096;

struct Lanes {
    entries: Mutex<mpsc::Receiver<Entry>>,
    committer: Arc<Committer>,
    batch_max: usize,
    batch_wait: Duration,
    /// Batches that are being committed.
    under_way: AtomicUsize,
    done: Notify,
}

/// Opens the lanes. They end when nobody can send anything any more and all has been done.
pub(super) fn open(
    committer: Arc<Committer>,
    batch_max: usize,
    batch_wait: Duration,
) -> mpsc::Sender<Entry> {
    let (sender, entries) = mpsc::channel(WAITING);
    let lanes = Arc::new(Lanes {
        entries: Mutex::new(entries),
        committer,
        batch_max,
        batch_wait,
        under_way: AtomicUsize::new(0),
        done: Notify::new(),
    });
    for _ in 0..LANES {
        tokio::spawn(lanes.clone().serve());
    }
    sender
}

impl Lanes {
    async fn serve(self: Arc<Self>) {
        while let Some(batch) = self.gather().await {
            self.committer.commit(batch).await;
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            self.done.notify_waiters();
        }
    }

    /// The next batch, which is under way from now on; none when there will be no other.
    ///
    /// It waits for more reports only while another batch is under way: then the next may as well
    /// be a larger one. A lone report does not wait for anybody.
    async fn gather(&self) -> Option<Vec<Entry>> {
        let mut entries = self.entries.lock().await;
        let mut batch = vec![entries.recv().await?];
        let patience = Instant::now() + self.batch_wait;
        loop {
            while batch.len() < self.batch_max
                && let Ok(entry) = entries.try_recv()
            {
                batch.push(entry);
            }
            let done = self.done.notified();
            let alone = self.under_way.load(Ordering::Relaxed) == 0;
            if alone || batch.len() >= self.batch_max || Instant::now() >= patience {
                break;
            }
            tokio::select! {
                () = done => {}
                entry = timeout_at(patience, entries.recv()) => match entry {
                    Ok(Some(entry)) => batch.push(entry),
                    Ok(None) | Err(_) => break,
                },
            }
        }
        // Before anybody else gathers.
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Some(batch)
    }
}
