//! Results in the tables of the Master.
//!
//! A report goes to a lane, which gathers some and has them committed together: `lanes` decides
//! when, `committer` what to do if that fails, `transaction` carries it out, with `row` for what
//! is there, `ledger` for what is to be, and `outbox` for telling others of it.

mod committer;
mod lanes;
mod ledger;
mod outbox;
mod row;
mod transaction;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use diesel_async::RunQueryDsl as _;
use gateway_core::domain::id::RunId;
use gateway_core::domain::run::{Recorded, Report, RunStatus};
use gateway_core::ports::{self, Cause, KnownOutage, ResultError, ResultFeed};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use self::committer::{Committer, Entry};
use self::transaction::Books;
use super::link::{Link, LinkError};
use super::schema;
use super::zone::{Zone, to_the_micro};
use crate::outbound::breaker::Contended;

/// How results are written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The zone of the database's times.
    pub zone: Zone,
    /// Results that share a transaction, at most.
    pub batch_max: usize,
    /// How long a result waits for others while others are being written.
    pub batch_wait: Duration,
    /// Until a result that is not committed counts as not written.
    pub commit_timeout: Duration,
}

/// What became of runs, in `task_executions` and `scheduled_tasks`.
///
/// It works in tasks of its own: a caller that goes away neither ends a transaction nor leaves one
/// open. They end with this value, when all that was handed to them is done.
pub struct ResultStore {
    entries: mpsc::Sender<Entry>,
    committer: Arc<Committer>,
    timeout: Duration,
}

impl ResultStore {
    /// A store over `link`, which tells `feed` of every report that changed a run. It must be
    /// called on a runtime.
    pub fn new(link: Link, settings: Settings, feed: Option<Arc<dyn ResultFeed>>) -> Self {
        let books = Books::new(settings.zone, feed.is_some());
        let committer = Arc::new(Committer::new(link, books));
        if let Some(feed) = feed {
            outbox::relay(&committer, feed);
        }
        Self {
            entries: lanes::open(committer.clone(), settings.batch_max, settings.batch_wait),
            committer,
            timeout: settings.commit_timeout,
        }
    }

    /// How many reports are committed and not yet published, by whichever gateway.
    ///
    /// # Errors
    ///
    /// [`ResultError::Unavailable`].
    pub async fn unpublished(&self) -> Result<u64, ResultError> {
        let mut connection = self.committer.link.connection().await.map_err(away)?;
        let count: Result<i64, _> = schema::count_out().get_result(&mut *connection).await;
        let count = count.map_err(|error| self.failed(error))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn failed(&self, error: diesel::result::Error) -> ResultError {
        self.committer.link.judge(&error);
        ResultError::Unavailable(error.into())
    }

    /// The report as the database can hold it.
    fn writable(&self, report: &Report) -> Result<Report, ResultError> {
        let times = [Some(report.at), report.started_at, report.finished_at];
        let wall = |at| self.committer.books.zone.wall(at);
        if times.into_iter().flatten().any(|at| wall(at).is_none()) {
            return Err(ResultError::Unwritable {
                run: report.run.clone(),
                reason: "its times are not within the years 1000 to 9999".to_owned(),
            });
        }
        Ok(Report {
            at: to_the_micro(report.at),
            started_at: report.started_at.map(to_the_micro),
            finished_at: report.finished_at.map(to_the_micro),
            ..report.clone()
        })
    }
}

#[async_trait]
impl ports::ResultStore for ResultStore {
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError> {
        if let Some(reason) = self.committer.link.away().borrow().clone() {
            return Err(away(LinkError::Away(KnownOutage(reason))));
        }
        let deadline = Instant::now() + self.timeout;
        let (answer, answered) = oneshot::channel();
        let waits = Arc::new(AtomicBool::new(false));
        let entry = Entry {
            report: self.writable(report)?,
            deadline,
            waits: waits.clone(),
            answer,
        };
        let recorded = timeout_at(deadline, async {
            // Lanes do not end before we do.
            let _handed_over = self.entries.send(entry).await;
            answered.await
        });
        match recorded.await {
            Ok(Ok(recorded)) => recorded,
            // It was dropped, as its time was over.
            Ok(Err(_)) | Err(_) => Err(ResultError::Unavailable({
                let late = Cause::from(Late(self.timeout));
                if AtomicBool::load(&waits, Ordering::Relaxed) {
                    Contended(late).into()
                } else {
                    late
                }
            })),
        }
    }

    async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, ResultError> {
        let mut connection = self.committer.link.connection().await.map_err(away)?;
        let rows: Result<Vec<(String, i64, Option<String>, Option<String>)>, _> =
            schema::read_status(run.as_str())
                .load(&mut *connection)
                .await;
        let rows = rows.map_err(|error| self.failed(error))?;
        // Collations take more names for the same than we do.
        let rows = rows.into_iter().filter(|(name, ..)| name == run.as_str());
        let found = rows.min_by_key(|(_, place, ..)| *place);
        let (.., status, runtime_status) =
            found.ok_or_else(|| ResultError::UnknownRun(run.clone()))?;
        Ok(row::standing(status.as_deref(), runtime_status.as_deref()))
    }
}

/// The time was over.
#[derive(Debug, thiserror::Error)]
#[error("not committed within {} ms", .0.as_millis())]
struct Late(Duration);

fn away(error: LinkError) -> ResultError {
    ResultError::Unavailable(error.into())
}
