use async_trait::async_trait;

use crate::domain::log::{ExtentError, LogChunk, LogLine};
use crate::ports::Cause;

/// Where the output of runs goes.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait LogSink: Send + Sync {
    /// Appends `lines`, which may be of several runs.
    ///
    /// The lines of a run keep the order they came in, within a call and from one call to the one
    /// made after its answer. When it answers, all of them are kept. Of a run that has more lines
    /// than are kept, the oldest go.
    async fn append(&self, lines: Vec<LogLine>) -> Result<(), LogError>;

    /// Stores a piece of a log file. Pieces may come in any order, twice, or overlapping: every
    /// byte is stored once.
    ///
    /// # Errors
    ///
    /// [`LogError::Misfit`] if the piece contradicts those before it; nothing is changed then.
    async fn store(&self, chunk: LogChunk) -> Result<ChunkReceipt, LogError>;
}

/// What is held of a log file after a piece was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkReceipt {
    /// Bytes held from the beginning on, without a gap.
    pub contiguous: u64,
    /// Whether that is the whole file.
    pub complete: bool,
}

/// Why a [`LogSink`] did not take something.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The piece does not fit those before it.
    #[error("offset: {0}")]
    Misfit(#[from] ExtentError),
    /// There is no room for it, and there will be none by waiting a moment.
    #[error("no room for more log data")]
    Full,
    /// The sink is out of reach, or makes no sense.
    #[error("log storage is temporarily unavailable")]
    Unavailable(#[source] Cause),
}
