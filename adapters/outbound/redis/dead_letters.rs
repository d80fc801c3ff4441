use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use gateway_core::domain::id::{LetterId, WorkerId};
use gateway_core::domain::task::DeadLetter;
use gateway_core::ports::{self, MasterError};
use tracing::warn;

use super::Shared;
use super::entry_id::EntryId;
use super::link::LinkError;
use super::reply;
use super::script::Script;
use super::task_queue::{Found, MAX_FIELDS};
use super::time::millis;
pub(super) use letter::{Envelope, Letter};

mod letter;

static ADD: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/dead_add.lua")));

/// For how long it is known that an entry is among the letters already: longer than anybody tries
/// to bury it.
const MARKED: Duration = Duration::from_hours(24);

/// The stream of what was given up.
pub struct DeadLetters {
    shared: Shared,
}

/// Where what is given up goes.
pub(super) struct Graveyard {
    shared: Shared,
}

impl Graveyard {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
        }
    }

    /// Writes the letter of an entry; repeated, it is written once. The last time that the entry
    /// was handed out did not reach the worker, and does not count.
    pub(super) async fn add(
        &self,
        worker: &WorkerId,
        found: &Found,
        reason: &str,
    ) -> Result<(), LinkError> {
        let envelope = Envelope {
            reason: reason.to_owned(),
            at: self.shared.clock.now(),
            worker: worker.clone(),
            deliveries: found.deliveries.saturating_sub(1),
            stream: self.shared.keys.ready(worker),
            entry: found.id.clone(),
        };
        self.bury(found.fields.clone(), &envelope).await
    }

    /// Writes the letter of what holds `fields`; repeated for the same entry, it is written once.
    pub(super) async fn write(
        &self,
        fields: &[(String, String)],
        envelope: &Envelope,
    ) -> Result<(), LinkError> {
        let fields = fields.iter().flat_map(|(name, value)| [name, value]);
        let fields = fields.map(|text| text.as_str().into()).collect();
        self.bury(fields, envelope).await
    }

    async fn bury(&self, fields: Vec<Value>, envelope: &Envelope) -> Result<(), LinkError> {
        let keys = &self.shared.keys;
        let mark = keys.buried(&envelope.stream, &envelope.entry);
        let max = i64::try_from(self.shared.settings.max_dead).unwrap_or(i64::MAX);
        let link = &self.shared.link;
        if fields.len() / 2 > MAX_FIELDS {
            // After a lost answer it may be there twice: rather so than not at all.
            let head = [
                keys.dead().into(),
                "MAXLEN".into(),
                "~".into(),
                max.into(),
                "*".into(),
            ];
            let letter = letter::write(fields, envelope);
            let args = head.into_iter().chain(letter).collect();
            return link.write_once("XADD", args).await.map(drop);
        }
        let mut args: Vec<Value> = vec![max.into(), millis(MARKED).into()];
        args.extend(letter::write(fields, envelope));
        let keys = vec![keys.dead(), mark];
        link.eval(&ADD, keys, args).await.map(drop)
    }
}

impl DeadLetters {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            shared: shared.clone(),
        }
    }

    async fn read(&self, id: &LetterId) -> Result<Option<Letter>, LinkError> {
        if EntryId::parse(id.as_str()).is_none() {
            return Ok(None);
        }
        let args = vec![
            self.shared.keys.dead().into(),
            id.as_str().into(),
            id.as_str().into(),
        ];
        let found = self.shared.link.read("XRANGE", args).await?;
        let entry = entries(found)?.into_iter().next();
        Ok(entry.and_then(|(_, fields)| Letter::read(fields)))
    }

    async fn remove(&self, id: &LetterId) -> Result<bool, LinkError> {
        let args = vec![self.shared.keys.dead().into(), id.as_str().into()];
        let removed = self.shared.link.write_once("XDEL", args).await?;
        Ok(reply::number(&removed)? > 0)
    }
}

/// The ids of entries, and the names and values of their fields in turn, as they are.
fn entries(found: Value) -> Result<Vec<(String, Vec<Value>)>, LinkError> {
    let entry = |entry| {
        let mut parts = reply::list(entry)?.into_iter();
        let mut next = || parts.next().unwrap_or(Value::Null);
        Ok((reply::text(&next())?, reply::list(next())?))
    };
    reply::list(found)?.into_iter().map(entry).collect()
}

#[async_trait]
impl ports::DeadLetters for DeadLetters {
    async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, MasterError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let spool = self.shared.keys.spool();
        let args = vec![
            self.shared.keys.dead().into(),
            "+".into(),
            "-".into(),
            "COUNT".into(),
            limit.into(),
        ];
        let found = self.shared.link.read("XREVRANGE", args).await?;
        let letters = entries(found)?.into_iter().filter_map(|(id, fields)| {
            let Some(letter) = Letter::read(fields) else {
                warn!(id, "an entry among the dead letters is none");
                return None;
            };
            let id = LetterId::parse(&id).ok()?;
            Some(letter.show(id, &spool))
        });
        Ok(letters.collect())
    }

    async fn find(&self, id: &LetterId) -> Result<Option<DeadLetter>, MasterError> {
        let letter = self.read(id).await?;
        let spool = self.shared.keys.spool();
        Ok(letter.map(|letter| letter.show(id.clone(), &spool)))
    }

    async fn requeue(&self, id: &LetterId) -> Result<bool, MasterError> {
        let Some(letter) = self.read(id).await? else {
            return Ok(false);
        };
        let keys = &self.shared.keys;
        // The name of the stream is made anew, so that a letter leads nowhere else.
        let stream = if letter.envelope.stream == keys.spool() {
            keys.spool()
        } else {
            keys.ready(&letter.envelope.worker)
        };
        let mut args: Vec<Value> = vec![stream.into(), "*".into()];
        args.extend(letter.renew());
        self.shared.link.write_once("XADD", args).await?;
        self.remove(id).await?;
        Ok(true)
    }

    async fn discard(&self, id: &LetterId) -> Result<bool, MasterError> {
        if EntryId::parse(id.as_str()).is_none() {
            return Ok(false);
        }
        Ok(self.remove(id).await?)
    }
}

impl From<LinkError> for MasterError {
    fn from(error: LinkError) -> Self {
        if error.is_full() {
            return Self::Full("tasks");
        }
        Self::Unavailable(error.into())
    }
}
