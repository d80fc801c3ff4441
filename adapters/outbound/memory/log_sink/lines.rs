use std::collections::VecDeque;
use std::num::NonZeroUsize;

use gateway_core::domain::id::RunId;
use gateway_core::domain::log::LogLine;
use gateway_core::ports::NumberedLine;
use lru::LruCache;

use super::super::Settings;

/// The most lines on a page, and what they may take together.
const PAGE_LINES: usize = 1000;
const PAGE_BYTES: usize = 4 << 20;

/// The latest lines of every run, numbered from 0 a run.
pub(super) struct Lines {
    /// By when they were last written to.
    runs: LruCache<RunId, RunLines>,
    /// How many lines those runs had of which none is left.
    emptied: LruCache<RunId, u64>,
    bytes: usize,
    max_bytes: usize,
    capacity: usize,
    max_runs: NonZeroUsize,
}

#[derive(Default)]
struct RunLines {
    /// The number of the first that is kept.
    first: u64,
    kept: VecDeque<LogLine>,
}

/// Some lines of a run.
#[derive(Debug, Default)]
pub(in super::super) struct Page {
    pub(in super::super) lines: Vec<NumberedLine>,
    /// The number to go on from.
    pub(in super::super) next: u64,
    /// Lines that were asked for and are kept no more.
    pub(in super::super) dropped: u64,
    /// Whether there are no more as yet.
    pub(in super::super) last: bool,
}

impl Lines {
    pub(super) fn new(settings: &Settings) -> Self {
        // Of runs that nobody queued here there may be lines as well.
        let max_runs = NonZeroUsize::MIN.saturating_add(settings.max_runs.saturating_mul(2));
        Self {
            runs: LruCache::unbounded(),
            emptied: LruCache::sparse(max_runs),
            bytes: 0,
            max_bytes: settings.log_bytes,
            capacity: settings.log_lines_per_run,
            max_runs,
        }
    }

    pub(super) fn append(&mut self, lines: Vec<LogLine>) {
        for line in lines {
            self.push(line);
        }
        while self.bytes > self.max_bytes || self.runs.len() > self.max_runs.get() {
            if !self.trim_the_quietest() {
                return;
            }
        }
    }

    pub(super) fn page(&self, run: &RunId, from: u64) -> Page {
        let Some(lines) = self.runs.peek(run) else {
            let first = self.emptied.peek(run).copied().unwrap_or_default();
            return Page::empty(from, first);
        };
        let mut page = Page::empty(from, lines.first);
        let mut room = PAGE_BYTES;
        let skipped = usize::try_from(page.next - lines.first).unwrap_or(usize::MAX);
        for line in lines.kept.iter().skip(skipped).take(PAGE_LINES) {
            let size = size(line).min(room + 1);
            if size > room && !page.lines.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            page.lines.push(NumberedLine {
                index: page.next,
                line: line.clone(),
            });
            page.next += 1;
        }
        page.last = page.next >= lines.end();
        page
    }

    fn push(&mut self, line: LogLine) {
        let emptied = &mut self.emptied;
        let run = self.runs.get_or_insert_mut_ref(&line.run, || RunLines {
            first: emptied.pop(&line.run).unwrap_or_default(),
            kept: VecDeque::new(),
        });
        self.bytes += size(&line);
        run.kept.push_back(line);
        if run.kept.len() > self.capacity {
            self.bytes -= run.drop_oldest();
        }
    }

    /// Drops lines of the run that was not written to for the longest time, the oldest first.
    /// Whether there was one.
    fn trim_the_quietest(&mut self) -> bool {
        let Some((id, mut run)) = self.runs.pop_lru() else {
            return false;
        };
        let one_run_less = self.runs.len() >= self.max_runs.get();
        while !run.kept.is_empty() && (one_run_less || self.bytes > self.max_bytes) {
            self.bytes -= run.drop_oldest();
        }
        if run.kept.is_empty() {
            self.emptied.put(id, run.first);
        } else {
            self.runs.put(id.clone(), run);
            self.runs.demote(&id);
        }
        true
    }
}

impl RunLines {
    /// Drops the oldest line, and says what it took.
    fn drop_oldest(&mut self) -> usize {
        let dropped = self.kept.pop_front();
        self.first += u64::from(dropped.is_some());
        dropped.as_ref().map_or(0, size)
    }

    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }
}

impl Page {
    /// A page that would begin at `from`, of a run that has no lines before `first`.
    fn empty(from: u64, first: u64) -> Self {
        Self {
            lines: Vec::new(),
            next: from.max(first),
            dropped: first.saturating_sub(from),
            last: true,
        }
    }
}

/// What a line takes.
fn size(line: &LogLine) -> usize {
    size_of::<LogLine>() + line.content.len() + line.timestamp.len()
}
