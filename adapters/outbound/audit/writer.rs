//! The thread that writes.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::ports::Clock;
use metrics::counter;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::file::{Start, Target};
use super::queue::{Queue, Taken};
use super::record::{Chain, Entry};
use crate::metrics::AUDIT_EVENTS;

/// Records that are written at once, at the most.
const BATCH: usize = 512;

/// How long what was written may wait for the disk.
const SYNC: Duration = Duration::from_secs(1);

/// How long the writer rests while nothing can be written.
const RETRY: Duration = Duration::from_millis(250);

/// Takes events out of a queue and writes them.
pub(super) struct Writer {
    queue: Arc<Queue>,
    target: Target,
    clock: Arc<dyn Clock>,
    chain: Chain,
    /// Records of the audit itself that come next.
    notes: Vec<Entry>,
    /// Since when what was written has waited for the disk.
    unsynced: Option<Instant>,
    /// Whether it was said that nothing can be written.
    failing: bool,
}

impl Writer {
    pub(super) fn new(
        queue: Arc<Queue>,
        target: Target,
        start: Start,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let now = clock.now();
        let mut notes = Vec::new();
        if start.torn > 0 {
            warn!(
                bytes = start.torn,
                "the audit ended in a torn line, which is cut off"
            );
            let why = format!("{} bytes of a torn last line are cut off", start.torn);
            notes.push(Entry::note(now, "torn", Some(why)));
        }
        notes.push(Entry::note(now, "started", None));
        Self {
            queue,
            target,
            clock,
            chain: start.chain,
            notes,
            unsynced: None,
            failing: false,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let mut last = self.flush(&[], false);
        while !last {
            let taken = self.queue.take(BATCH, SYNC);
            if taken.dropped > 0 {
                self.note_dropped(taken.dropped);
            }
            if taken.last {
                let now = self.clock.now();
                self.notes.push(Entry::note(now, "stopped", None));
            }
            last = self.write(&taken) || taken.last;
            self.sync(last);
        }
    }

    fn note_dropped(&mut self, dropped: u64) {
        warn!(
            dropped,
            "events are missing in the audit: they came faster than they can be written"
        );
        let why = format!("{dropped} events were dropped");
        let note = Entry::note(self.clock.now(), "dropped", Some(why));
        self.notes.push(note);
    }

    /// Writes what was taken, however long it takes; whether it was given up, as the end came.
    fn write(&mut self, taken: &Taken) -> bool {
        let entries: Vec<_> = taken.events.iter().map(Entry::of).collect();
        self.flush(&entries, taken.last)
    }

    /// Writes `entries`, and what is to be noted after them.
    fn flush(&mut self, entries: &[Entry], mut last: bool) -> bool {
        let count = entries.len() as u64;
        while let Err(error) = self.attempt(entries) {
            if !std::mem::replace(&mut self.failing, true) {
                error!(%error, "the audit cannot be written; events wait, as far as there is room");
            }
            if last {
                error!(
                    count,
                    "events are missing in the audit: it ended before they were written"
                );
                counter!(AUDIT_EVENTS, "outcome" => "dropped").increment(count);
                return true;
            }
            // At the end there is one more attempt.
            last = self.queue.pause(RETRY);
        }
        if std::mem::replace(&mut self.failing, false) {
            info!("the audit is written again");
        }
        counter!(AUDIT_EVENTS, "outcome" => "written").increment(count);
        false
    }

    fn attempt(&mut self, entries: &[Entry]) -> std::io::Result<()> {
        if entries.is_empty() && self.notes.is_empty() {
            return Ok(());
        }
        let first = self.chain.last + 1;
        let mut chain = self.chain.clone();
        let mut lines = String::new();
        for entry in entries.iter().chain(&self.notes) {
            lines.push_str(&chain.link(entry));
        }
        self.target.append(&lines, first)?;
        self.chain = chain;
        self.notes.clear();
        self.unsynced.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn sync(&mut self, now: bool) {
        let due = |since: Instant| now || since.elapsed() >= SYNC;
        if !self.unsynced.is_some_and(due) {
            return;
        }
        self.unsynced = None;
        if let Err(error) = self.target.sync() {
            error!(%error, "the audit may not be on the disk");
        }
    }
}
