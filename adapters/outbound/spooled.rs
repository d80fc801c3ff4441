//! A store of results, and a spool for what comes while the store is away.

mod drain;
mod round;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::audit::{Action, AuditEvent};
use gateway_core::domain::id::{RunId, WorkerId};
use gateway_core::domain::run::{Recorded, Report, RunStatus};
use gateway_core::ports::{AuditLog, Backlog, Clock, ResultError, ResultStore, Spool, SpoolError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, warn};

/// How patient one is with what waits.
#[derive(Clone, Copy, Debug)]
pub struct SpoolSettings {
    /// How long a report waits for its run to be known, until it is a dead letter.
    pub unknown_run_patience: Duration,
}

/// A [`ResultStore`] that takes reports while the store within is away: they wait in a [`Spool`],
/// and go to the store when it is back. Whatever can never be written becomes a dead letter.
///
/// Dropped, it drains no more; what waits is for another gateway, or the next start.
pub struct Spooled {
    inner: Arc<Inner>,
    _drainer: DropGuard,
}

/// What calls and the drainer share.
struct Inner {
    store: Arc<dyn ResultStore>,
    spool: Arc<dyn Spool>,
    audit: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
    settings: SpoolSettings,
    /// The store serves, or something waits: there may be something to do.
    news: Notify,
    backlog: watch::Sender<Backlog>,
    /// Reports that were put in since the spool was last found empty.
    put_in: AtomicU64,
}

impl Spooled {
    /// Puts `spool` beside `store`, and begins to drain what waits in it. It must be called on a
    /// runtime.
    pub fn new(
        store: Arc<dyn ResultStore>,
        spool: Arc<dyn Spool>,
        audit: Arc<dyn AuditLog>,
        clock: Arc<dyn Clock>,
        settings: SpoolSettings,
    ) -> Self {
        let inner = Arc::new(Inner {
            store,
            spool,
            audit,
            clock,
            settings,
            news: Notify::new(),
            backlog: watch::Sender::default(),
            put_in: AtomicU64::new(0),
        });
        let end = CancellationToken::new();
        let drainer = drain::run(inner.clone());
        tokio::spawn(end.clone().run_until_cancelled_owned(drainer));
        Self {
            inner,
            _drainer: end.drop_guard(),
        }
    }

    /// How much waits, as far as it was last seen from here, and whatever changes of it.
    pub fn backlog(&self) -> watch::Receiver<Backlog> {
        self.inner.backlog.subscribe()
    }
}

impl Inner {
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError> {
        match self.store.record(report).await {
            Err(ResultError::Unavailable(cause)) => {
                if let Err(SpoolError::Unavailable(besides)) = self.spool.put(report).await {
                    warn!(
                        error = &*besides as &dyn std::error::Error,
                        "the spool is away as well"
                    );
                    return Err(ResultError::Unavailable(cause));
                }
                self.note_put_in(&*cause);
                Ok(Recorded::Spooled)
            }
            Err(ResultError::Unwritable { run, reason }) => {
                self.bury(report, &reason)
                    .await
                    .map_err(|SpoolError::Unavailable(cause)| ResultError::Unavailable(cause))?;
                Err(ResultError::Unwritable { run, reason })
            }
            definite => {
                if self.backlog.borrow().depth > 0 {
                    self.news.notify_one();
                }
                definite
            }
        }
    }

    fn note_put_in(&self, cause: &(dyn std::error::Error + 'static)) {
        if self.put_in.fetch_add(1, Ordering::Relaxed) == 0 {
            warn!(
                error = cause,
                "the result store is away: results wait in the spool"
            );
        }
        self.backlog.send_modify(|backlog| backlog.depth += 1);
    }

    /// Makes a dead letter of `report`.
    async fn bury(&self, report: &Report, reason: &str) -> Result<(), SpoolError> {
        self.spool.bury(report, reason).await?;
        let run = report.run.clone();
        let reason = reason.to_owned();
        self.note(&report.worker, Action::ResultBuried { run, reason });
        Ok(())
    }

    fn note(&self, actor: &WorkerId, action: Action) {
        self.audit.record(AuditEvent {
            at: self.clock.now(),
            actor: Some(actor.clone()),
            peer: None,
            request: None,
            action,
        });
    }

    /// How far `run` is by what waits; an end that waits is more than the store knows.
    async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, ResultError> {
        let known = self.store.status(run).await;
        if matches!(known, Ok(Some(status)) if status.is_terminal()) {
            return known;
        }
        match (self.spool.ended(run).await, known) {
            (Ok(Some(ended)), _) => Ok(Some(ended)),
            // Neither has heard of an end, and who asks would rather go on than wait.
            (Ok(None), Err(ResultError::Unavailable(_))) => Ok(None),
            (Ok(None) | Err(_), known) => known,
        }
    }
}

#[async_trait]
impl ResultStore for Spooled {
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError> {
        let (inner, report) = (self.inner.clone(), report.clone());
        // A worker reports once: its result is kept though it goes away before it hears of it.
        let recorded = tokio::spawn(async move { inner.record(&report).await });
        recorded.await.unwrap_or_else(|ended| {
            error!(error = %ended, "a result was not recorded to the end");
            Err(ResultError::Unavailable(ended.into()))
        })
    }

    async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, ResultError> {
        self.inner.status(run).await
    }
}
