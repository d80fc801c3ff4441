use std::sync::Arc;

use async_trait::async_trait;
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::{LogChunk, LogLine, LogStream};
use gateway_core::ports::{self, ChunkReceipt, LogError};
use tokio::time::Instant;

use super::Settings;
use super::guarded::Guarded;
use super::waiting::Bells;
use files::Files;
use lines::Lines;
pub(super) use lines::Page;

mod files;
mod lines;

/// The output of runs: the lines as they come, and the files as they are put together.
pub struct LogSink {
    lines: Guarded<Lines>,
    files: Guarded<Files>,
    bells: Arc<Bells>,
}

impl LogSink {
    pub(super) fn new(settings: &Settings, bells: Arc<Bells>) -> Self {
        Self {
            lines: Guarded::new(Lines::new(settings)),
            files: Guarded::new(Files::new(settings.chunk_bytes)),
            bells,
        }
    }

    /// The lines of `run` from number `from` on, as many as go on a page.
    pub(super) fn page(&self, run: &RunId, from: u64) -> Page {
        self.lines.lock().page(run, from)
    }

    /// What is held of a file from its beginning on, and whether that is all.
    pub(super) fn file(&self, run: &RunId, stream: LogStream) -> Option<(Vec<u8>, bool)> {
        let (pieces, complete) = self.files.lock().read(run, stream)?;
        Some((pieces.concat(), complete))
    }
}

#[async_trait]
impl ports::LogSink for LogSink {
    async fn append(&self, lines: Vec<LogLine>) -> Result<(), LogError> {
        let mut runs: Vec<RunId> = Vec::new();
        for line in &lines {
            if runs.last() != Some(&line.run) {
                runs.push(line.run.clone());
            }
        }
        self.lines.lock().append(lines);
        for run in &runs {
            self.bells.ring(run);
        }
        Ok(())
    }

    async fn store(&self, chunk: LogChunk) -> Result<ChunkReceipt, LogError> {
        self.files.lock().store(&chunk, Instant::now())
    }
}
