//! Carrying batches out: again where that helps, one by one where they fail together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use gateway_core::domain::run::{Recorded, Report};
use gateway_core::ports::{Cause, ResultError};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

use super::super::error::Fault;
use super::super::link::{Link, LinkError};
use super::super::schema::Locking;
use super::transaction::{Answer, Books};
use crate::outbound::breaker::Contended;

/// How often a transaction is begun again.
const AGAIN: usize = 3;

/// The pause before that, at first and at the longest; it is drawn by lot from this up to twice.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// How long a transaction may take. The server gives up a statement, and a wait for a row, before:
/// whatever is not answered by then is not going to be.
const LIMIT: Duration = Duration::from_secs(10);

/// How many transactions may wait for rows that others hold. Each has a connection.
const PATIENT: usize = 4;

/// A report on its way in, and who waits for it.
pub(super) struct Entry {
    pub(super) report: Report,
    /// Nobody waits for longer.
    pub(super) deadline: Instant,
    /// Whether it waits for a row that somebody else holds.
    pub(super) waits: Arc<AtomicBool>,
    pub(super) answer: oneshot::Sender<Result<Recorded, ResultError>>,
}

/// Why a transaction failed as a whole.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Server(diesel::result::Error),
    #[error("the transaction was not answered")]
    Overdue,
}

/// A failure, and what can be done about it.
#[derive(Clone, Debug)]
struct Failure {
    fault: Fault,
    trouble: Arc<Trouble>,
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        // Whoever waited for a connection once has waited long enough.
        Self::new(Fault::Other, Trouble::Link(error))
    }
}

impl Failure {
    fn new(fault: Fault, trouble: Trouble) -> Self {
        let trouble = Arc::new(trouble);
        Self { fault, trouble }
    }

    /// Whether the same transaction may succeed a moment later. If its commit was not answered and
    /// took place, it is one of reports that are repeated.
    fn is_passing(&self) -> bool {
        matches!(
            self.fault,
            Fault::Deadlock | Fault::LockTimeout | Fault::Gone
        )
    }

    /// Whether one report, or one row, may have spoilt it for all.
    fn is_of_one(&self) -> bool {
        matches!(self.fault, Fault::Misfit | Fault::LockTimeout)
    }

    fn told_to(&self, report: &Report) -> ResultError {
        if self.fault == Fault::Misfit {
            // The words of the server name columns and tables: they are the operator's to read.
            warn!(run = %report.run, error = %self.trouble, "the database cannot hold a result");
            return ResultError::Unwritable {
                run: report.run.clone(),
                reason: "the database cannot hold one of its values".to_owned(),
            };
        }
        let cause = Cause::from(Shared(self.trouble.clone()));
        ResultError::Unavailable(if self.fault == Fault::LockTimeout {
            Contended(cause).into()
        } else {
            cause
        })
    }
}

/// A trouble that several callers are told of.
#[derive(Debug, thiserror::Error)]
#[error("the result was not committed")]
struct Shared(#[source] Arc<Trouble>);

/// Carries batches out.
pub(super) struct Committer {
    pub(super) link: Link,
    pub(super) books: Books,
    /// Told of commits, which may have put something into the outbox.
    pub(super) committed: Arc<Notify>,
    patient: Semaphore,
}

impl Committer {
    pub(super) fn new(link: Link, books: Books) -> Self {
        Self {
            link,
            books,
            committed: Arc::default(),
            patient: Semaphore::new(PATIENT),
        }
    }

    /// Commits a batch, and answers all of it, some perhaps later.
    ///
    /// No row is waited for here, so nobody is held up by a stranger's lock: reports of such runs,
    /// and all of a batch that one of them spoilt, go on by themselves.
    pub(super) async fn commit(self: &Arc<Self>, batch: Vec<Entry>) {
        let batch = still_awaited(batch);
        if batch.is_empty() {
            return;
        }
        match self.persist(&batch, Locking::Skip).await {
            Ok(answers) => {
                let mut held = Vec::new();
                for (entry, answer) in batch.into_iter().zip(answers) {
                    match answer {
                        // Whether a server tells a row that is skipped from one that is not there
                        // is its own affair, and no report is refused on that ground.
                        Answer::Held | Answer::UnknownRun => held.push(entry),
                        Answer::Recorded(_) | Answer::NotTheirs => entry.settle(answer),
                    }
                }
                self.go_on_alone(held);
            }
            Err(failure) if failure.is_of_one() => self.go_on_alone(batch),
            Err(failure) => fail(batch, &failure),
        }
    }

    /// Has reports written run by run.
    fn go_on_alone(self: &Arc<Self>, mut entries: Vec<Entry>) {
        // It is stable: the reports of a run stay in their order.
        for entry in &entries {
            entry.waits.store(true, Ordering::Relaxed);
        }
        entries.sort_by(|one, other| one.report.run.cmp(&other.report.run));
        while let Some(last) = entries.last() {
            let run = last.report.run.clone();
            let first = entries.partition_point(|entry| entry.report.run < run);
            let of_one = entries.split_off(first);
            let committer = self.clone();
            tokio::spawn(async move { committer.commit_alone(of_one).await });
        }
    }

    /// Commits reports of one run, and waits for its row.
    async fn commit_alone(&self, entries: Vec<Entry>) {
        let deadline = last_deadline(&entries);
        let Ok(Ok(_permit)) = timeout_at(deadline, self.patient.acquire()).await else {
            let failure = Failure::new(Fault::LockTimeout, Trouble::Overdue);
            return fail(entries, &failure);
        };
        let failure = match self.settle_waiting(entries).await {
            Ok(()) => return,
            Err((entries, failure)) if failure.fault != Fault::Misfit || entries.len() == 1 => {
                return fail(entries, &failure);
            }
            Err(apart) => apart,
        };
        for entry in failure.0 {
            if let Err((entry, failure)) = self.settle_waiting(vec![entry]).await {
                fail(entry, &failure);
            }
        }
    }

    async fn settle_waiting(&self, entries: Vec<Entry>) -> Result<(), (Vec<Entry>, Failure)> {
        let entries = still_awaited(entries);
        if entries.is_empty() {
            return Ok(());
        }
        match self.persist(&entries, Locking::Wait).await {
            Ok(answers) => {
                let answered = entries.into_iter().zip(answers);
                answered.for_each(|(entry, answer)| entry.settle(answer));
                Ok(())
            }
            Err(failure) => Err((entries, failure)),
        }
    }

    /// Runs the transaction, and runs it again while that may help.
    async fn persist(&self, entries: &[Entry], locking: Locking) -> Result<Vec<Answer>, Failure> {
        let deadline = last_deadline(entries);
        let (shortest, longest) = PAUSES;
        let pauses = ExponentialBuilder::default()
            .with_min_delay(shortest)
            .with_max_delay(longest)
            .with_jitter()
            .with_max_times(AGAIN);
        let attempt = || self.attempt(entries, locking);
        let answers = attempt
            .retry(pauses)
            .when(|failure: &Failure| failure.is_passing() && Instant::now() < deadline)
            .await?;
        if self.books.publishes {
            self.committed.notify_one();
        }
        Ok(answers)
    }

    async fn attempt(&self, entries: &[Entry], locking: Locking) -> Result<Vec<Answer>, Failure> {
        let mut connection = self.link.connection().await?;
        let reports: Vec<_> = entries.iter().map(|entry| &entry.report).collect();
        let mut away = self.link.away();
        tokio::select! {
            taken = self.books.take(&mut connection, &reports, locking) => {
                taken.map_err(|error| Failure::new(self.link.judge(&error), Trouble::Server(error)))
            }
            // What is under way is dropped, and the connection with it.
            _ = away.wait_for(Option::is_some) => Err(overdue()),
            () = sleep(LIMIT) => Err(overdue()),
        }
    }
}

impl Entry {
    fn settle(self, answer: Answer) {
        let run = self.report.run.clone();
        let result = match answer {
            Answer::Recorded(recorded) => Ok(recorded),
            Answer::UnknownRun => Err(ResultError::UnknownRun(run)),
            Answer::NotTheirs => Err(ResultError::NotTheirs {
                run,
                worker: self.report.worker,
            }),
            Answer::Held => Err(ResultError::Unavailable(Contended("the run".into()).into())),
        };
        // Whoever went away will hear of it when they ask again.
        let _gone = self.answer.send(result);
    }
}

fn fail(entries: Vec<Entry>, failure: &Failure) {
    for entry in entries {
        let error = failure.told_to(&entry.report);
        let _gone = entry.answer.send(Err(error));
    }
}

fn overdue() -> Failure {
    Failure::new(Fault::Other, Trouble::Overdue)
}

/// Those whose time is not over: the others were told that theirs may not be written, and are not
/// worth a transaction any more.
fn still_awaited(mut entries: Vec<Entry>) -> Vec<Entry> {
    let now = Instant::now();
    entries.retain(|entry| entry.deadline > now);
    entries
}

fn last_deadline(entries: &[Entry]) -> Instant {
    let last = entries.iter().map(|entry| entry.deadline).max();
    last.unwrap_or_else(Instant::now)
}
