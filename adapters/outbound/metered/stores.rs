use async_trait::async_trait;
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::{LogChunk, LogLine};
use gateway_core::domain::run::{Recorded, Report, RunStatus};
use gateway_core::ports::{ChunkReceipt, LogError, LogSink, ResultError, ResultStore};
use metrics::{Counter, counter};

use super::Metered;
use crate::metrics::{LOG_BYTES, LOG_LINES, RESULTS};

/// What is stored of logs.
pub(super) struct Logs {
    lines: Counter,
    line_bytes: Counter,
    chunk_bytes: Counter,
}

impl Logs {
    pub(super) fn new() -> Self {
        Self {
            lines: counter!(LOG_LINES),
            line_bytes: counter!(LOG_BYTES, "kind" => "lines"),
            chunk_bytes: counter!(LOG_BYTES, "kind" => "chunks"),
        }
    }
}

#[async_trait]
impl LogSink for Metered<dyn LogSink, Logs> {
    async fn append(&self, lines: Vec<LogLine>) -> Result<(), LogError> {
        let count = lines.len() as u64;
        let bytes: usize = lines.iter().map(|line| line.content.len()).sum();
        self.timed(self.port.append(lines)).await?;
        self.counts.lines.increment(count);
        self.counts.line_bytes.increment(bytes as u64);
        Ok(())
    }

    async fn store(&self, chunk: LogChunk) -> Result<ChunkReceipt, LogError> {
        let bytes = chunk.data.len();
        let stored = self.timed(self.port.store(chunk)).await?;
        self.counts.chunk_bytes.increment(bytes as u64);
        Ok(stored)
    }
}

/// What became of reports.
pub(super) struct Results {
    committed: Counter,
    published: Counter,
    spooled: Counter,
    refused: Counter,
    failed: Counter,
}

impl Results {
    pub(super) fn new() -> Self {
        let outcome = |outcome: &'static str| counter!(RESULTS, "outcome" => outcome);
        Self {
            committed: outcome("committed"),
            published: outcome("published"),
            spooled: outcome("spooled"),
            refused: outcome("refused"),
            failed: outcome("failed"),
        }
    }

    fn of(&self, recorded: &Result<Recorded, ResultError>) -> &Counter {
        match recorded {
            Ok(Recorded::Spooled) => &self.spooled,
            Ok(Recorded::Published) => &self.published,
            Ok(
                Recorded::Changed { .. }
                | Recorded::Repeated
                | Recorded::Late
                | Recorded::Conflict { .. },
            ) => &self.committed,
            Err(
                ResultError::UnknownRun(_)
                | ResultError::NotTheirs { .. }
                | ResultError::Unwritable { .. },
            ) => &self.refused,
            Err(ResultError::Unavailable(_)) => &self.failed,
        }
    }
}

#[async_trait]
impl ResultStore for Metered<dyn ResultStore, Results> {
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError> {
        let recorded = self.timed(self.port.record(report)).await;
        self.counts.of(&recorded).increment(1);
        recorded
    }

    async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, ResultError> {
        self.timed(self.port.status(run)).await
    }
}
