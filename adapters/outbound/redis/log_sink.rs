mod batch;
mod file;

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::{LogChunk, LogLine};
use gateway_core::ports::{self, ChunkReceipt, LogError};

use self::batch::Batch;
use super::Shared;
use super::link::LinkError;
use super::script::Script;

pub(super) use self::file::{File, text_of_file};

/// Runs of one call that are written to at once.
const CONCURRENT: usize = 64;

/// The output of runs: lines as they come, and log files in pieces.
pub struct LogSink {
    shared: Shared,
    append: Script,
    chunk: Script,
}

impl LogSink {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
            append: Script::new(include_str!("lua/log_append.lua")),
            chunk: Script::new(include_str!("lua/log_chunk.lua")),
        }
    }

    /// Appends to one run, one batch after the other.
    async fn append_to(&self, run: RunId, batches: Vec<Batch>) -> Result<(), LogError> {
        let Shared { link, keys, .. } = &self.shared;
        for batch in batches {
            let keys = vec![keys.log_lines(&run), keys.log_batches(&run)];
            let args = batch.into_args(self.shared.settings.log_lines);
            let appended = link.eval(&self.append, keys, args).await;
            appended.map_err(refused)?;
        }
        Ok(())
    }
}

#[async_trait]
impl ports::LogSink for LogSink {
    async fn append(&self, lines: Vec<LogLine>) -> Result<(), LogError> {
        let runs = batch::sort(lines);
        let calls: Vec<_> = runs
            .into_iter()
            .map(|(run, batches)| self.append_to(run, batches))
            .collect();
        let calls = stream::iter(calls).buffer_unordered(CONCURRENT);
        calls.try_collect().await
    }

    async fn store(&self, chunk: LogChunk) -> Result<ChunkReceipt, LogError> {
        self.store_chunk(&chunk).await
    }
}

fn refused(error: LinkError) -> LogError {
    if error.is_full() {
        return LogError::Full;
    }
    LogError::Unavailable(error.into())
}
