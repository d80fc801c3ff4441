use std::sync::Arc;

use axum::http::StatusCode;
use gateway_core::domain::id::RunId;
use gateway_core::ports::{DeadLetters, Master, RunView};
use tokio_util::sync::CancellationToken;

use super::error::Refusal;
use super::journal::Journal;

/// What the routes of the local Master share.
#[derive(Clone)]
pub(super) struct Local {
    pub(super) master: Arc<dyn Master>,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) journal: Option<Journal>,
    /// Cancelled when the port is about to close.
    pub(super) stop: CancellationToken,
}

impl Local {
    /// The run of this name.
    pub(super) async fn find(&self, run: &RunId) -> Result<RunView, Refusal> {
        let found = self.master.run(run).await?;
        found.ok_or_else(|| unknown(run))
    }

    /// What comes of `waiting`, unless the port closes first.
    pub(super) async fn unless_stopped<T>(
        &self,
        waiting: impl Future<Output = T>,
    ) -> Result<T, Refusal> {
        let stopped = "the gateway is shutting down";
        self.stop
            .run_until_cancelled(waiting)
            .await
            .ok_or_else(|| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, stopped))
    }
}

/// There is no such run.
pub(super) fn unknown(run: &RunId) -> Refusal {
    Refusal::missing(format!("run {run} is unknown"))
}

/// An identifier nobody has used: `kind`, a dash and 16 random digits.
pub(super) fn made_up(kind: &str) -> String {
    format!("{kind}-{:016x}", rand::random::<u64>())
}
