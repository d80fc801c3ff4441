use std::sync::Arc;

use axum::http::StatusCode;
use gateway_core::domain::id::RunId;
use gateway_core::ports::{Master, RunView};
use tokio_util::sync::CancellationToken;

use super::error::Refusal;

/// What the routes of the local Master share.
#[derive(Clone)]
pub(super) struct Local {
    pub(super) master: Arc<dyn Master>,
    /// Cancelled when the port is about to close.
    pub(super) stop: CancellationToken,
}

impl Local {
    pub(super) fn new(master: Arc<dyn Master>, stop: CancellationToken) -> Self {
        Self { master, stop }
    }

    /// The run of this name.
    pub(super) async fn find(&self, run: &RunId) -> Result<RunView, Refusal> {
        let found = self.master.run(run).await?;
        found.ok_or_else(|| Refusal::missing(format!("run {run} is unknown")))
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

/// An identifier nobody has used: `kind`, a dash and 16 random digits.
pub(super) fn made_up(kind: &str) -> String {
    format!("{kind}-{:016x}", rand::random::<u64>())
}
