//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::ports::Clock;
use metrics::counter;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::queue::{Queue, Taken};
use super::record::{Chain, Entry};
use super::target::{Start, Target};
use crate::metrics::AUDIT_EVENTS;

/// Records that are written at once, at the most.
const BATCH: usize = 512;

/// How long what was written may wait for the disk.
const SYNC: Duration = Duration::from_secs(1);

/// How long the writer rests while nothing can be written.
const RETRY: Duration = Duration::from_millis(250);

/// How often it still tries at the end.
const LAST_TRIES: u32 = 4;

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
    /// Events that were dropped, of which no record tells yet.
    untold: u64,
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
            untold: 0,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let mut last = self.flush(&[]);
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
            self.remove_surplus();
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
        self.untold += dropped;
    }

    /// Writes what was taken, however long it takes; whether it was given up, as the end came.
    fn write(&mut self, taken: &Taken) -> bool {
        let entries: Vec<_> = taken.events.iter().map(Entry::of).collect();
        self.flush(&entries)
    }

    /// Writes `entries`, and what is to be noted after them.
    fn flush(&mut self, entries: &[Entry]) -> bool {
        let count = entries.len() as u64;
        let mut left = LAST_TRIES;
        while let Err(error) = self.attempt(entries) {
            if !std::mem::replace(&mut self.failing, true) {
                error!(%error, "the audit cannot be written; events wait, as far as there is room");
            }
            if !self.queue.pause(RETRY) {
                continue;
            }
            // The end has come.
            if left == 0 {
                self.give_up(count);
                return true;
            }
            left -= 1;
            self.queue.rest(RETRY);
        }
        if std::mem::replace(&mut self.failing, false) {
            info!("the audit is written again");
        }
        counter!(AUDIT_EVENTS, "outcome" => "written").increment(count);
        false
    }

    /// Counts all that will not be written, of which `count` were about to be.
    fn give_up(&self, count: u64) {
        let (waiting, dropped) = self.queue.give_up();
        let lost = count + waiting;
        counter!(AUDIT_EVENTS, "outcome" => "dropped").increment(lost);
        // The others were counted when they were dropped.
        let count = lost + dropped + self.untold;
        error!(
            count,
            "events are missing in the audit: it ended before they were written"
        );
    }

    /// Removes files that are no longer kept, which is written down before.
    fn remove_surplus(&mut self) {
        let Some(surplus) = self.target.surplus() else {
            return;
        };
        let note = Entry::removed(self.clock.now(), surplus.up_to);
        let noted = self.put(&[note], Target::add);
        let noted = noted.and_then(|()| self.target.sync());
        if let Err(error) = surplus.remove() {
            error!(%error, "old files of the audit cannot be removed");
        }
        if noted.is_err() {
            // The disk is full, and there may be room now.
            self.notes
                .push(Entry::removed(self.clock.now(), surplus.up_to));
        }
    }

    fn attempt(&mut self, entries: &[Entry]) -> io::Result<()> {
        if entries.is_empty() && self.notes.is_empty() {
            return Ok(());
        }
        let first = self.chain.last + 1;
        let notes = std::mem::take(&mut self.notes);
        let all = entries.iter().chain(&notes);
        let put = self.put(all, |target, lines| target.append(lines, first));
        match put {
            Ok(()) => self.untold = 0,
            Err(_) => self.notes = notes,
        }
        put
    }

    /// Makes `entries` the next records, if they can be written as `write` does it.
    fn put<'a>(
        &mut self,
        entries: impl IntoIterator<Item = &'a Entry>,
        write: impl FnOnce(&mut Target, &str) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut chain = self.chain.clone();
        let lines: String = entries.into_iter().map(|entry| chain.link(entry)).collect();
        write(&mut self.target, &lines)?;
        self.chain = chain;
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
