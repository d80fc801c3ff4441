use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use gateway_core::domain::Invalid;
use gateway_core::domain::id::{RunId, TaskId};
use gateway_core::domain::task::{DEFAULT_TIMEOUT, Task};
use serde_json::value::RawValue;

/// Reasons why a task cannot be read.
const OBJECT: &str = "a JSON object";
const SECONDS: &str = "1 to 2147483647 seconds";
const NUMBER: &str = "a whole number";
const BOOLEAN: &str = "true or false";

/// What an entry of a worker's stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Entry {
    pub(in super::super) task: Task,
    /// How many times it was given back.
    pub(in super::super) returns: u32,
    /// Why, the last time.
    pub(in super::super) reason: Option<String>,
}

/// Reads the fields that a scheduler wrote, and what a gateway added when a task was given back.
/// Other fields are somebody's, and ignored. Of two of one name the later counts.
pub(in super::super) fn read(fields: &[(String, String)]) -> Result<Entry, Invalid> {
    let last = |name: &str| fields.iter().rev().find(|(known, _)| known == name);
    // An empty field is an absent one.
    let find = |name: &str| {
        last(name)
            .map(|(_, text)| &**text)
            .filter(|text| !text.is_empty())
    };
    let text = |name: &str| find(name).unwrap_or_default().to_owned();

    let id = TaskId::parse(find("task_id").unwrap_or_default())?;
    let defaults = Task::new(id);
    let run = find("run_id").map(RunId::parse).transpose()?;
    let task = Task {
        run: run.unwrap_or(defaults.run),
        project_id: text("project_id"),
        project_type: find("project_type").map_or(defaults.project_type, str::to_owned),
        priority: number("priority", find("priority"))?.unwrap_or_default(),
        params: object("params", find("params"))?,
        environment: object("environment", find("environment"))?,
        timeout: timeout(find("timeout"))?,
        download_url: text("download_url"),
        file_hash: text("file_hash"),
        entry_point: text("entry_point"),
        is_compressed: boolean("is_compressed", find("is_compressed"))?,
        ..Task::new(defaults.id)
    };
    let reason = find("requeue_reason").map(str::to_owned);
    let returns = number("requeue_count", find("requeue_count"))?;
    // Gateways that do not count have given it back once at least.
    let uncounted = reason.is_some() || find("requeue_at").is_some();
    Ok(Entry {
        task,
        returns: returns.unwrap_or(u32::from(uncounted)),
        reason,
    })
}

fn number<N: FromStr>(name: &'static str, text: Option<&str>) -> Result<Option<N>, Invalid> {
    text.map(|text| text.parse().map_err(|_| Invalid::text(name, NUMBER, text)))
        .transpose()
}

fn timeout(text: Option<&str>) -> Result<Duration, Invalid> {
    match number::<i64>("timeout", text)? {
        None | Some(0) => Ok(DEFAULT_TIMEOUT),
        Some(seconds) => match u64::try_from(seconds) {
            Ok(positive) if i32::try_from(seconds).is_ok() => Ok(Duration::from_secs(positive)),
            _ => Err(Invalid::number("timeout", SECONDS, &seconds)),
        },
    }
}

fn boolean(name: &'static str, text: Option<&str>) -> Result<bool, Invalid> {
    match text {
        None | Some("false" | "False" | "0") => Ok(false),
        Some("true" | "True" | "1") => Ok(true),
        Some(other) => Err(Invalid::text(name, BOOLEAN, other)),
    }
}

/// A value that is text is passed as it is, any other as the JSON text that it was written as.
fn object(name: &'static str, text: Option<&str>) -> Result<BTreeMap<String, String>, Invalid> {
    let Some(text) = text else {
        return Ok(BTreeMap::new());
    };
    let refused = |_| Invalid::text(name, OBJECT, text);
    let values: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(refused)?;
    let plain = values.into_iter().map(|(key, value)| {
        let json = value.get();
        if json.starts_with('"') {
            return Ok((key, serde_json::from_str(json).map_err(refused)?));
        }
        Ok((key, json.to_owned()))
    });
    plain.collect()
}

#[cfg(test)]
mod tests;
