//! What the scripts answer of entries in a worker's hands.

use std::time::Duration;

use fred::types::Value;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::Delivery;

use super::super::entry_id::EntryId;
use super::super::link::LinkError;
use super::super::{receipt, reply};
use super::entry;

/// Fields that a task has at the most. A script cannot pass on several thousand.
pub(in super::super) const MAX_FIELDS: usize = 1_000;

/// What a look came to.
pub(super) struct Taken {
    /// An entry, or how long there is none unless something happens.
    pub(super) found: Result<Found, Duration>,
    /// Entries whose payload is gone.
    pub(super) gone: Vec<String>,
    /// Whether the run of what was found is the worker's now.
    pub(super) owned: bool,
}

/// An entry in somebody's hands.
#[derive(Debug)]
pub(in super::super) struct Found {
    pub(in super::super) id: String,
    /// The names and values of its fields in turn, as they are.
    pub(in super::super) fields: Vec<Value>,
    /// How often it was handed out, the last time included.
    pub(in super::super) deliveries: u32,
}

impl Found {
    /// It as a delivery to `worker`, or why it is none.
    pub(super) fn delivery(&self, worker: &WorkerId) -> Result<Delivery, String> {
        if self.fields.len() / 2 > MAX_FIELDS {
            return Err(format!("it has more than {MAX_FIELDS} fields"));
        }
        let fields = reply::texts_only(&self.fields).ok_or("a field of it is no text")?;
        let entry = entry::read(&fields).map_err(|invalid| invalid.to_string())?;
        let id = EntryId::parse(&self.id).ok_or("its id is none")?;
        Ok(Delivery {
            receipt: receipt::make(worker, id, ""),
            task: entry.task,
            deliveries: self.deliveries,
            returns: entry.returns,
            reason: entry.reason,
        })
    }
}

/// Reads the answer of `task_take`.
pub(super) fn read(answer: Value) -> Result<Taken, LinkError> {
    let [id, fields, number, gone, owned] = parts(answer)?;
    let id = reply::text(&id)?;
    let number = reply::number(&number)?;
    let found = if id.is_empty() {
        Err(Duration::from_millis(
            u64::try_from(number).unwrap_or_default(),
        ))
    } else {
        Ok(found(id, fields, number)?)
    };
    Ok(Taken {
        found,
        gone: texts(gone)?,
        owned: reply::number(&owned)? == 1,
    })
}

/// Reads the answer of `task_held`: who holds it, and what it is.
pub(super) fn read_held(answer: Value) -> Result<Option<(String, Found)>, LinkError> {
    if answer == Value::Null {
        return Ok(None);
    }
    let [id, owner, number, fields] = parts(answer)?;
    let number = reply::number(&number)?;
    let found = found(reply::text(&id)?, fields, number)?;
    Ok(Some((reply::text(&owner)?, found)))
}

/// The texts of a list.
pub(super) fn texts(value: Value) -> Result<Vec<String>, LinkError> {
    reply::list(value)?.iter().map(reply::text).collect()
}

fn found(id: String, fields: Value, deliveries: i64) -> Result<Found, LinkError> {
    let fields = reply::list(fields)?;
    if fields.len() % 2 != 0 {
        return Err(LinkError::Nonsense("a field without a value".to_owned()));
    }
    Ok(Found {
        id,
        fields,
        deliveries: u32::try_from(deliveries).unwrap_or(u32::MAX),
    })
}

fn parts<const N: usize>(answer: Value) -> Result<[Value; N], LinkError> {
    let parts = reply::list(answer)?;
    parts
        .try_into()
        .map_err(|_| LinkError::Nonsense("another number of parts".to_owned()))
}
