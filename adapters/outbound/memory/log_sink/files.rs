use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::{Extent, LogChunk, LogStream};
use gateway_core::ports::{ChunkReceipt, LogError};
use lru::LruCache;
use tokio::time::Instant;

/// How long an incomplete file is waited for when there is no room left.
const PATIENCE: Duration = Duration::from_hours(1);

/// What the books of a file and of a piece take.
const FILE_COST: usize = 512;
const PIECE_COST: usize = 128;

type Key = (RunId, LogStream);

/// The log files of all runs, put together from pieces. Both kinds by when they were last written
/// to.
pub(super) struct Files {
    incomplete: LruCache<Key, File>,
    complete: LruCache<Key, File>,
    bytes: usize,
    max_bytes: usize,
}

struct File {
    extent: Extent,
    /// By where they begin; none overlaps another.
    pieces: BTreeMap<u64, Bytes>,
    written: Instant,
    cost: usize,
}

impl Files {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            incomplete: LruCache::unbounded(),
            complete: LruCache::unbounded(),
            bytes: 0,
            max_bytes,
        }
    }

    pub(super) fn store(
        &mut self,
        chunk: &LogChunk,
        now: Instant,
    ) -> Result<ChunkReceipt, LogError> {
        let key = (chunk.run.clone(), chunk.stream);
        // A complete file takes nothing in, but it may be asked again whether it is.
        if let Some(file) = self.complete.get_mut(&key) {
            file.admit(chunk)?;
            return Ok(file.receipt());
        }
        // Taken out while room is made, so that it is not what makes room.
        let held = self.incomplete.pop(&key);
        let mut file = held.unwrap_or_else(|| File::new(now));
        self.bytes -= file.cost;
        let stored = self.extend(&mut file, chunk, now);
        let receipt = file.receipt();
        self.bytes += file.cost;
        match receipt.complete {
            true => self.complete.put(key, file),
            false if file.cost > 0 => self.incomplete.put(key, file),
            // It was refused as a whole and leaves no trace.
            false => None,
        };
        stored.map(|()| receipt)
    }

    /// The pieces from the beginning on, without a gap, and whether they are all.
    pub(super) fn read(&self, run: &RunId, stream: LogStream) -> Option<(Vec<Bytes>, bool)> {
        let key = (run.clone(), stream);
        let file = self.complete.peek(&key);
        let file = file.or_else(|| self.incomplete.peek(&key))?;
        let receipt = file.receipt();
        let pieces = file.pieces.range(..receipt.contiguous);
        let pieces = pieces.map(|(_, bytes)| bytes.clone()).collect();
        Some((pieces, receipt.complete))
    }

    /// Adds `chunk` to `file`, or changes nothing.
    fn extend(&mut self, file: &mut File, chunk: &LogChunk, now: Instant) -> Result<(), LogError> {
        let mut extent = file.extent.clone();
        let len = chunk.data.len() as u64;
        extent.admit(chunk.offset, len, chunk.is_final, chunk.total_size)?;
        let fresh = file.fresh(chunk);
        let cost = fresh.iter().map(|(_, bytes)| PIECE_COST + bytes.len());
        let cost = cost.sum::<usize>() + file.cost.max(FILE_COST);
        self.make_room(cost, now)?;
        file.extent = extent;
        file.cost = cost;
        file.written = now;
        for (offset, bytes) in fresh {
            // A copy: the bytes as they came may hold on to a far larger message.
            file.pieces.insert(offset, Bytes::copy_from_slice(bytes));
        }
        Ok(())
    }

    /// Forgets files until there is room for `cost`: complete ones, and those that nobody has
    /// gone on with for long.
    fn make_room(&mut self, cost: usize, now: Instant) -> Result<(), LogError> {
        if cost > self.max_bytes {
            return Err(LogError::Full);
        }
        while self.bytes > self.max_bytes - cost {
            let abandoned =
                |(_, file): &(&Key, &File)| now.saturating_duration_since(file.written) >= PATIENCE;
            let gone = match self.incomplete.peek_lru().filter(abandoned) {
                Some(_) => self.incomplete.pop_lru(),
                None => self.complete.pop_lru(),
            };
            let (_, gone) = gone.ok_or(LogError::Full)?;
            self.bytes -= gone.cost;
        }
        Ok(())
    }
}

impl File {
    fn new(now: Instant) -> Self {
        Self {
            extent: Extent::default(),
            pieces: BTreeMap::new(),
            written: now,
            cost: 0,
        }
    }

    /// Makes sure that `chunk` does not contradict a file that is complete.
    fn admit(&mut self, chunk: &LogChunk) -> Result<(), LogError> {
        let len = chunk.data.len() as u64;
        let extent = &mut self.extent;
        extent.admit(chunk.offset, len, chunk.is_final, chunk.total_size)?;
        Ok(())
    }

    fn receipt(&self) -> ChunkReceipt {
        ChunkReceipt {
            contiguous: self.extent.contiguous(),
            complete: self.extent.is_complete(),
        }
    }

    /// What of `chunk` is not held: where it begins, and the bytes.
    fn fresh<'a>(&self, chunk: &'a LogChunk) -> Vec<(u64, &'a [u8])> {
        let stop = chunk.offset + chunk.data.len() as u64;
        let mut fresh = Vec::new();
        let mut at = chunk.offset;
        let mut add = |range: Range<u64>| {
            let from = usize::try_from(range.start - chunk.offset);
            let to = usize::try_from(range.end.saturating_sub(chunk.offset));
            if let (Ok(from), Ok(to)) = (from, to)
                && from < to
            {
                fresh.push((range.start, &chunk.data[from..to]));
            }
        };
        let before = self.pieces.range(..chunk.offset).next_back();
        for (begin, bytes) in before
            .into_iter()
            .chain(self.pieces.range(chunk.offset..stop))
        {
            add(at..*begin);
            at = at.max(begin + bytes.len() as u64);
        }
        add(at..stop);
        fresh
    }
}
