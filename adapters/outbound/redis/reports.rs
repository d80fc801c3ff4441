//! Reports on their way into a stream: each once, however often an answer is lost.

use std::time::Duration;

use fred::types::Value;
use gateway_core::domain::id::RunId;
use gateway_core::domain::run::{Report, RunStatus};

use super::Shared;
use super::keys::Keys;
use super::link::{Link, LinkError};
use super::reply;
use super::script::Script;
use super::time::millis;

/// How long it is known how a run ended. A worker says that it is done with a task soon after it
/// said how the run ended; this is for one that was cut off in between.
const ENDS_KEPT: Duration = Duration::from_hours(24);

/// What goes to Redis in one call at the most: it serves nobody else meanwhile.
const MAX_REPORTS: usize = 500;
const MAX_BYTES: usize = 1 << 20;

/// A stream of reports.
pub(super) struct Reports {
    link: Link,
    keys: Keys,
    stream: String,
    /// Who must not miss what is added before it comes.
    group: String,
    add: Script,
}

/// Names and values, in the order they are written.
pub(super) type Fields = Vec<(&'static str, String)>;

/// A report as it is added.
pub(super) struct Entry {
    pub(super) fields: Fields,
    /// The end that is remembered of a run, if it is.
    pub(super) end: Option<(RunId, RunStatus)>,
}

/// The end that `report` tells of.
pub(super) fn end(report: &Report) -> Option<(RunId, RunStatus)> {
    let ended = report.status.is_terminal();
    ended.then(|| (report.run.clone(), report.status))
}

impl Reports {
    pub(super) fn new(shared: &Shared, stream: String, group: String) -> Self {
        Self {
            link: shared.link.clone(),
            keys: shared.keys.clone(),
            stream,
            group,
            add: Script::new(include_str!("lua/report_add.lua")),
        }
    }

    /// Adds `entries`, in this order. After a failure any number of the first may be there.
    pub(super) async fn add(&self, entries: Vec<Entry>) -> Result<(), LinkError> {
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let (mut keys, mut args) = self.head();
            let (mut count, mut bytes) = (0, 0);
            while count < MAX_REPORTS
                && let Some(entry) =
                    entries.next_if(|entry| count == 0 || bytes + weight(entry) <= MAX_BYTES)
            {
                count += 1;
                bytes += weight(&entry);
                self.push(entry, &mut keys, &mut args);
            }
            // On the heap: it is large, and there is one for each result on its way.
            Box::pin(self.link.eval(&self.add, keys, args)).await?;
        }
        Ok(())
    }

    /// How `run` ended, if that was told here lately.
    pub(super) async fn ended(&self, run: &RunId) -> Result<Option<RunStatus>, LinkError> {
        let key = self.keys.ended(&self.stream, run);
        let found = self.link.read("GET", vec![key.into()]).await?;
        if found.is_null() {
            return Ok(None);
        }
        let status = reply::text(&found)?.parse();
        status
            .map(Some)
            .map_err(|invalid| LinkError::Nonsense(format!("an end of no kind: {invalid}")))
    }

    /// What every call begins with, and a name for it that no other has.
    fn head(&self) -> (Vec<String>, Vec<Value>) {
        let call = self.keys.told(&self.stream, &token());
        // No answer is waited for, and nothing is repeated, for nearly so long.
        let known = self.link.timeout().saturating_mul(5);
        let args = vec![
            millis(known).into(),
            millis(ENDS_KEPT).into(),
            self.group.as_str().into(),
        ];
        (vec![self.stream.clone(), call], args)
    }

    fn push(&self, entry: Entry, keys: &mut Vec<String>, args: &mut Vec<Value>) {
        match entry.end {
            Some((run, status)) => {
                keys.push(self.keys.ended(&self.stream, &run));
                args.push(status.as_str().into());
            }
            None => args.push("".into()),
        }
        let texts = i64::try_from(2 * entry.fields.len()).unwrap_or(i64::MAX);
        args.push(texts.into());
        for (name, value) in entry.fields {
            args.extend([Value::from_static_str(name), value.into()]);
        }
    }
}

fn weight(entry: &Entry) -> usize {
    let fields = entry.fields.iter();
    fields.map(|(name, value)| name.len() + value.len()).sum()
}

/// A name that no other call has.
pub(super) fn token() -> String {
    format!("{:016x}", rand::random::<u64>())
}
