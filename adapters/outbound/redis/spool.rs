pub(super) mod entry;

use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use gateway_core::domain::id::{RunId, SpoolId, WorkerId};
use gateway_core::domain::run::{Report, RunStatus};
use gateway_core::ports::{self, Backlog, SpoolError, Waiting};
use tracing::warn;

use super::Shared;
use super::dead_letters::{Envelope, Graveyard};
use super::link::LinkError;
use super::reply;
use super::reports::{self, Entry, Reports};
use super::script::Script;
use super::time::millis;

/// How long those who took a report have for it: far longer than a store takes, so that whoever
/// needs more is gone.
const LEASE: Duration = Duration::from_secs(30);

/// A gateway that holds nothing and was not heard of for so long is forgotten; if it is not gone, it
/// is made known again by what it takes.
const SILENCE: Duration = Duration::from_hours(1);

/// What is asked for at once at the most.
const MAX_AT_ONCE: usize = 1000;

/// The stream of results that wait for their store, which all gateways fill and drain. Nothing is
/// ever trimmed in it: it is as long as the store is away, and Redis has memory.
pub struct Spool {
    shared: Shared,
    reports: Reports,
    graveyard: Graveyard,
    /// This process, among those that drain.
    consumer: String,
    take: Script,
    settle: Script,
    release: Script,
    backlog: Script,
}

impl Spool {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
            reports: Reports::new(shared, shared.keys.spool(), shared.keys.spool_group()),
            graveyard: Graveyard::new(shared),
            consumer: reports::token(),
            take: Script::new(include_str!("lua/spool_take.lua")),
            settle: Script::new(include_str!("lua/spool_settle.lua")),
            release: Script::new(include_str!("lua/spool_release.lua")),
            backlog: Script::new(include_str!("lua/spool_backlog.lua")),
        }
    }

    async fn leased(&self, limit: usize) -> Result<Vec<reply::Entry>, LinkError> {
        let Shared { link, keys, .. } = &self.shared;
        let taken = keys.spool_taken(&reports::token());
        let args = vec![
            keys.spool_group().into(),
            self.consumer.as_str().into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
            millis(LEASE).into(),
            millis(link.timeout().saturating_mul(5)).into(),
            millis(SILENCE).into(),
        ];
        let answer = link
            .eval(&self.take, vec![keys.spool(), taken], args)
            .await?;
        let mut parts = reply::list(answer)?.into_iter();
        let (entries, gone) = (parts.next(), parts.next());
        let gone = reply::list(gone.unwrap_or(Value::Null))?;
        if !gone.is_empty() {
            let lost = gone.len();
            warn!(
                lost,
                "somebody deleted results from the spool before they were written"
            );
        }
        reply::entries(entries.unwrap_or(Value::Null))
    }

    /// Makes a dead letter of what is no report, and takes it out. What cannot be done now is done
    /// when its lease is over.
    async fn put_away(&self, entry: &reply::Entry, reason: &str) {
        let (id, fields) = entry;
        let mut envelope = self.envelope(entry::worker(fields), reason);
        envelope.entry.clone_from(id);
        let put_away = async {
            self.graveyard.write(fields, &envelope).await?;
            self.run_on(&self.settle, [id.as_str()], &[]).await
        };
        let entry = id.as_str();
        match put_away.await {
            Ok(()) => {
                warn!(
                    entry,
                    reason, "an entry of the spool is no result, and a dead letter now"
                );
            }
            Err(error) => {
                warn!(entry, reason, %error, "an entry of the spool is no result, and stays for now");
            }
        }
    }

    fn envelope(&self, worker: WorkerId, reason: &str) -> Envelope {
        Envelope {
            reason: reason.to_owned(),
            at: self.shared.clock.now(),
            worker,
            deliveries: 0,
            stream: self.shared.keys.spool(),
            entry: reports::token(),
        }
    }

    /// Runs a script on the spool, with the group and `args` before the ids.
    async fn run_on<'a>(
        &self,
        script: &Script,
        ids: impl IntoIterator<Item = &'a str>,
        args: &[&str],
    ) -> Result<(), LinkError> {
        let Shared { link, keys, .. } = &self.shared;
        let ids: Vec<_> = ids.into_iter().collect();
        for ids in ids.chunks(MAX_AT_ONCE) {
            let mut all: Vec<Value> = vec![keys.spool_group().into()];
            all.extend(args.iter().chain(ids).map(|text| Value::from(*text)));
            link.eval(script, vec![keys.spool()], all).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl ports::Spool for Spool {
    async fn put(&self, report: &Report) -> Result<(), SpoolError> {
        let entry = Entry {
            fields: report.to_fields(),
            end: reports::end(report),
        };
        self.reports.add(vec![entry]).await.map_err(unavailable)
    }

    async fn take(&self, limit: usize) -> Result<Vec<Waiting>, SpoolError> {
        let limit = limit.min(MAX_AT_ONCE);
        let mut waiting = Vec::new();
        // What is no report makes room for another, so that nothing means that nothing waits.
        while waiting.is_empty() && limit > 0 {
            let entries = self.leased(limit).await.map_err(unavailable)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                match entry::read(&entry) {
                    Ok(report) => waiting.push(report),
                    Err(reason) => self.put_away(&entry, &reason).await,
                }
            }
        }
        Ok(waiting)
    }

    async fn settle(&self, entries: &[SpoolId]) -> Result<(), SpoolError> {
        let ids = entries.iter().map(SpoolId::as_str);
        let settled = self.run_on(&self.settle, ids, &[]).await;
        settled.map_err(unavailable)
    }

    async fn release(&self, entries: &[SpoolId]) -> Result<(), SpoolError> {
        let ids = entries.iter().map(SpoolId::as_str);
        let released = self.run_on(&self.release, ids, &[&self.consumer]).await;
        released.map_err(unavailable)
    }

    async fn bury(&self, report: &Report, reason: &str) -> Result<(), SpoolError> {
        let fields = report.to_fields().into_iter();
        let fields: Vec<_> = fields.map(|(name, text)| (name.to_owned(), text)).collect();
        let envelope = self.envelope(report.worker.clone(), reason);
        let written = self.graveyard.write(&fields, &envelope).await;
        written.map_err(unavailable)
    }

    async fn ended(&self, run: &RunId) -> Result<Option<RunStatus>, SpoolError> {
        self.reports.ended(run).await.map_err(unavailable)
    }

    async fn backlog(&self) -> Result<Backlog, SpoolError> {
        let Shared { link, keys, .. } = &self.shared;
        let told = link.eval(&self.backlog, vec![keys.spool()], vec![]).await;
        let backlog = told.and_then(entry::backlog);
        backlog.map_err(unavailable)
    }
}

fn unavailable(error: LinkError) -> SpoolError {
    SpoolError::Unavailable(error.into())
}
