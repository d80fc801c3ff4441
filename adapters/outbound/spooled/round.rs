//! One batch out of the spool.

use std::collections::BTreeMap;

use futures::future::join_all;
use gateway_core::domain::audit::Action;
use gateway_core::domain::id::{RunId, SpoolId};
use gateway_core::domain::run::Recorded;
use gateway_core::ports::{ResultError, SpoolError, Waiting};
use jiff::SignedDuration;

use super::Inner;

/// What came of one batch.
pub(super) struct Round {
    /// How many were taken.
    pub(super) taken: usize,
    /// How many of them are done with.
    pub(super) done: u64,
    /// Whether the store was found to be away.
    pub(super) away: bool,
}

/// What is to be done about a report that was taken.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// It is where it belongs.
    Settle,
    /// It is tried again at once, by anybody.
    Release,
    /// It is tried again when its lease is over, and holds up nobody until then.
    Keep,
}

impl Round {
    /// Takes a batch, writes it, and says what became of it. Reports of one run are written one
    /// after the other, those of many runs at once, so that they can share a transaction.
    pub(super) async fn run(inner: &Inner, batch: usize) -> Result<Self, SpoolError> {
        let waiting = inner.spool.take(batch).await?;
        let taken = waiting.len();
        let mut runs = BTreeMap::<RunId, Vec<Waiting>>::new();
        for one in waiting {
            runs.entry(one.report.run.clone()).or_default().push(one);
        }
        let fates = join_all(runs.into_values().map(|run| write_run(inner, run))).await;
        let fates: Vec<_> = fates.into_iter().flatten().collect();
        let of = |wanted: Fate| -> Vec<SpoolId> {
            let ids = fates.iter().filter(|(_, fate)| *fate == wanted);
            ids.map(|(id, _)| id.clone()).collect()
        };
        let (settled, released) = (of(Fate::Settle), of(Fate::Release));
        if !released.is_empty() {
            inner.spool.release(&released).await?;
        }
        if !settled.is_empty() {
            inner.spool.settle(&settled).await?;
        }
        Ok(Self {
            taken,
            done: settled.len() as u64,
            away: !released.is_empty(),
        })
    }
}

/// Writes the reports of one run, until the store is away.
async fn write_run(inner: &Inner, run: Vec<Waiting>) -> Vec<(SpoolId, Fate)> {
    let mut fates = Vec::with_capacity(run.len());
    let mut away = false;
    for one in run {
        let fate = if away {
            Fate::Release
        } else {
            write(inner, &one).await
        };
        away = fate == Fate::Release;
        fates.push((one.id, fate));
    }
    fates
}

async fn write(inner: &Inner, waiting: &Waiting) -> Fate {
    let report = &waiting.report;
    let unwritable = match inner.store.record(report).await {
        Ok(Recorded::Conflict { ended }) => {
            let (run, reported) = (report.run.clone(), report.status);
            let action = Action::Conflicted {
                run,
                ended,
                reported,
            };
            inner.note(&report.worker, action);
            return Fate::Settle;
        }
        Ok(
            Recorded::Changed { .. }
            | Recorded::Repeated
            | Recorded::Late
            | Recorded::Published
            | Recorded::Spooled,
        ) => return Fate::Settle,
        Err(ResultError::Unavailable(_)) => return Fate::Release,
        Err(ResultError::UnknownRun(_)) if may_come(inner, waiting) => return Fate::Keep,
        Err(ResultError::UnknownRun(_)) => "unknown run".to_owned(),
        Err(ResultError::Unwritable { reason, .. }) => reason,
        Err(error @ ResultError::NotTheirs { .. }) => error.to_string(),
    };
    match inner.bury(report, &unwritable).await {
        Ok(()) => Fate::Settle,
        Err(SpoolError::Unavailable(_)) => Fate::Keep,
    }
}

/// Whether the run of a report may yet become known.
fn may_come(inner: &Inner, waiting: &Waiting) -> bool {
    let waited = inner.clock.now().duration_since(waiting.since);
    let patience = SignedDuration::try_from(inner.settings.unknown_run_patience);
    waited < patience.unwrap_or(SignedDuration::MAX)
}
