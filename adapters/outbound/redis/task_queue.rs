use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::audit::{Action, AuditEvent};
use gateway_core::domain::id::{ReceiptId, TaskId, WorkerId};
use gateway_core::domain::task::{Delivery, Settled, Sign, Verdict};
use gateway_core::ports::{self, QueueError};
use metrics::counter;
use moka::sync::Cache;
use tracing::warn;

use super::Shared;
use super::dead_letters::Graveyard;
use super::doorbell::Kind;
use super::link::LinkError;
use super::receipt::{self, Claim};
use super::run_owners::Known;
use super::script::Script;
use super::time::iso;
use super::waiting::{Look, wait_for};
use crate::metrics::TASKS;
use taken::Taken;
use undo::{Undo, token};

mod calls;
pub(super) mod entry;
mod scripts;
pub(super) mod taken;
mod undo;

pub(super) use self::taken::{Found, MAX_FIELDS};

/// Entries that are no tasks, until a look gives others a turn.
const MAX_UNREADABLE: usize = 100;

/// Workers whose last heartbeat is remembered, so that the same one soon after costs nothing.
const MAX_BEATS: u64 = 20_000;

/// The streams from which workers take tasks.
///
/// What is in a worker's hands are the pending entries of its stream. How often one was handed out
/// is its delivery count, 0 if it waits: released, or resting after it was given back. When it was
/// handed out, or worked on last, is its delivery time, 0 if it is lost. A book beside the stream
/// says what a look would have to find out each time: when something pending may be due, what the
/// worker said last, which takes took what.
pub struct TaskQueue {
    shared: Shared,
    take: Script,
    /// Whose runs are, as takes make them.
    owners: Known,
    undo: Undo,
    graveyard: Graveyard,
    beats: Cache<WorkerId, u32>,
}

impl TaskQueue {
    pub(super) fn new(shared: &Shared, owners: Known) -> Self {
        let beats = Cache::builder()
            .max_capacity(MAX_BEATS)
            .time_to_live(shared.settings.heartbeat_interval / 8);
        Self {
            shared: shared.clone(),
            take: scripts::take(shared),
            owners,
            undo: Undo::new(&shared.link, &shared.keys),
            graveyard: Graveyard::new(shared),
            beats: beats.build(),
        }
    }

    async fn look(&self, worker: &WorkerId) -> Result<Look<Delivery>, LinkError> {
        for _ in 0..MAX_UNREADABLE {
            let guard = self.undo.guard(worker).await?;
            let mark = self.owners.mark();
            let answer = match self.ask_for_task(worker, guard.token()).await {
                Err(error @ LinkError::Away(_)) => {
                    // It was not sent.
                    guard.disarm();
                    return Err(error);
                }
                answer => answer?,
            };
            let Taken { found, gone, owned } = taken::read(answer)?;
            self.report_gone(worker, gone);
            let found = match found {
                Ok(found) => found,
                Err(until) => {
                    guard.disarm();
                    return Ok(Look::Nothing { until: Some(until) });
                }
            };
            match found.delivery(worker) {
                Ok(delivery) => {
                    if owned {
                        self.owners.taken(&delivery.task.run, worker, mark);
                    }
                    guard.disarm();
                    return Ok(Look::Found(delivery));
                }
                Err(reason) => self.bury_unreadable(worker, &found, &reason).await,
            }
            guard.disarm();
        }
        // There may be more, after everybody else had a turn.
        let until = Some(Duration::ZERO);
        Ok(Look::Nothing { until })
    }

    /// What cannot be read must not block what comes behind it. If it cannot be buried either, it
    /// stays in the worker's hands, and comes up again when its lease is over.
    async fn bury_unreadable(&self, worker: &WorkerId, found: &Found, reason: &str) {
        let entry = found.id.as_str();
        if let Err(error) = self.bury_found(worker, found, reason).await {
            warn!(%worker, entry, %error, "an entry that is no task cannot be buried yet");
            return;
        }
        warn!(%worker, entry, reason, "an entry is no task and went to the dead letters");
        counter!(TASKS, "event" => "dead").increment(1);
        let (entry, reason) = (entry.to_owned(), reason.to_owned());
        self.audit(worker, Action::Unreadable { entry, reason });
    }

    /// Writes a dead letter, then takes the entry out of the queue. In this order, so that a crash
    /// between the two loses nothing; repeated, it is one letter.
    async fn bury_found(
        &self,
        worker: &WorkerId,
        found: &Found,
        reason: &str,
    ) -> Result<Option<Settled>, LinkError> {
        self.graveyard.add(worker, found, reason).await?;
        // Whatever released it meanwhile, it must not be handed out any more.
        let args = vec!["buried".into()];
        self.settle_by(&scripts::DONE, worker, args, &found.id)
            .await
    }

    fn report_gone(&self, worker: &WorkerId, entries: Vec<String>) {
        if !entries.is_empty() {
            let lost = entries.len();
            warn!(%worker, lost, "tasks were deleted from under the worker that held them");
            self.audit(worker, Action::LostPayload { entries });
        }
    }

    fn audit(&self, worker: &WorkerId, action: Action) {
        self.shared.audit_log.record(AuditEvent {
            at: self.shared.clock.now(),
            actor: Some(worker.clone()),
            peer: None,
            request: None,
            action,
        });
    }
}

#[async_trait]
impl ports::TaskQueue for TaskQueue {
    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
    ) -> Result<Option<Delivery>, QueueError> {
        let doorbell = &self.shared.doorbell;
        let bell = doorbell.bell(Kind::Task, worker);
        // Between a look that found something and the answer nothing is awaited.
        let taken = wait_for(&bell, wait, || doorbell.patience(), || self.look(worker));
        Ok(taken.await?)
    }

    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), QueueError> {
        match receipt::read(worker, receipt) {
            Claim::Theirs(entry, None | Some("")) => {
                Ok(self.undo.release(worker, &entry.to_string()).await?)
            }
            Claim::Theirs(..) | Claim::Anothers | Claim::Void => Ok(()),
        }
    }

    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        verdict: Verdict,
    ) -> Result<Settled, QueueError> {
        let Some(entry) = own(receipt, worker)? else {
            return Ok(Settled::Before);
        };
        let (script, args) = match verdict {
            Verdict::Done => (&scripts::DONE, vec![]),
            Verdict::GivenBack(reason) => {
                let at = iso(self.shared.clock.now());
                (
                    &scripts::GIVE_BACK,
                    vec![reason.into(), at.into(), token().into()],
                )
            }
        };
        let settled = self.settle_by(script, worker, args, &entry).await?;
        settled.ok_or_else(|| QueueError::NotTheirs(receipt.clone()))
    }

    async fn bury(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        reason: &str,
    ) -> Result<Settled, QueueError> {
        let Some(entry) = own(receipt, worker)? else {
            return Ok(Settled::Before);
        };
        let Some((owner, found)) = self.find(worker, (&entry, &entry), "").await? else {
            return Ok(Settled::Before);
        };
        if owner != worker.as_str() {
            return Err(QueueError::NotTheirs(receipt.clone()));
        }
        let buried = self.bury_found(worker, &found, reason).await?;
        buried.ok_or_else(|| QueueError::NotTheirs(receipt.clone()))
    }

    async fn held(&self, worker: &WorkerId, task: &TaskId) -> Result<Option<Delivery>, QueueError> {
        let found = self.find(worker, ("-", "+"), task.as_str()).await?;
        Ok(found.and_then(|(_, found)| found.delivery(worker).ok()))
    }

    async fn note(&self, worker: &WorkerId, sign: &Sign) -> Result<(), QueueError> {
        Ok(match sign {
            Sign::Restarted => self.note_restarted(worker).await,
            Sign::Running(running) => self.note_running(worker, *running).await,
            Sign::Progress(run) => self.note_progress(worker, run).await,
        }?)
    }
}

/// The entry that `receipt` stands for; none if it was never handed out.
fn own(receipt: &ReceiptId, worker: &WorkerId) -> Result<Option<String>, QueueError> {
    match receipt::read(worker, receipt) {
        Claim::Theirs(entry, None | Some("")) => Ok(Some(entry.to_string())),
        Claim::Anothers => Err(QueueError::NotTheirs(receipt.clone())),
        Claim::Theirs(..) | Claim::Void => Ok(None),
    }
}

impl From<LinkError> for QueueError {
    fn from(error: LinkError) -> Self {
        Self::Unavailable(error.into())
    }
}
