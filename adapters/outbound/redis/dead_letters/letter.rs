use fred::types::Value;
use gateway_core::domain::id::{LetterId, WorkerId};
use gateway_core::domain::run::Report;
use gateway_core::domain::task::{Content, DeadLetter};
use gateway_core::domain::time::{self, Timestamp};

use super::super::reply;
use super::super::task_queue::entry;
use super::super::time::iso;

/// The fields that a letter has beyond those of what was queued, in this order, at its end.
const OURS: [&str; 6] = [
    "dead_reason",
    "dead_at",
    "worker_id",
    "deliveries",
    "source_stream",
    "source_id",
];

/// What a gateway adds to a task that is given back.
const RETURNS: [&str; 3] = ["requeue_reason", "requeue_at", "requeue_count"];

/// Why, when and from where something is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Envelope {
    pub(in super::super) reason: String,
    pub(in super::super) at: Timestamp,
    pub(in super::super) worker: WorkerId,
    pub(in super::super) deliveries: u32,
    pub(in super::super) stream: String,
    pub(in super::super) entry: String,
}

/// What was queued, and why it was given up.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Letter {
    /// The names and values of what was queued in turn, as they are.
    fields: Vec<Value>,
    pub(super) envelope: Envelope,
}

/// The names and values of a letter in turn.
pub(super) fn write(fields: Vec<Value>, envelope: &Envelope) -> impl Iterator<Item = Value> {
    let values = [
        envelope.reason.clone(),
        iso(envelope.at),
        envelope.worker.to_string(),
        envelope.deliveries.to_string(),
        envelope.stream.clone(),
        envelope.entry.clone(),
    ];
    let ours = OURS.into_iter().zip(values);
    let ours = ours.flat_map(|(name, value)| [name.into(), value.into()]);
    fields.into_iter().chain(ours)
}

impl Letter {
    /// Reads a letter from its names and values in turn; none if it is no letter.
    pub(in super::super) fn read(mut fields: Vec<Value>) -> Option<Self> {
        let ours = fields.split_off(fields.len().checked_sub(2 * OURS.len())?);
        let ours = reply::texts_only(&ours)?;
        let names = ours.iter().map(|(name, _)| name.as_str());
        if !names.eq(OURS) {
            return None;
        }
        let values: [String; 6] = ours
            .into_iter()
            .map(|(_, value)| value)
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        let [reason, at, worker, deliveries, stream, entry] = values;
        let envelope = Envelope {
            reason,
            at: time::parse("dead_at", &at).ok()??,
            worker: WorkerId::parse(&worker).ok()?,
            deliveries: deliveries.parse().ok()?,
            stream,
            entry,
        };
        Some(Self { fields, envelope })
    }

    /// The letter for an operator. What comes from the `spool` was a result, all else a task.
    pub(in super::super) fn show(self, id: LetterId, spool: &str) -> DeadLetter {
        let readable = reply::texts_only(&self.fields);
        let readable = readable.and_then(|fields| content(fields, &self.envelope, spool));
        // What is no text is shown as nearly as it can be.
        let content = readable.unwrap_or_else(|| {
            let fields = reply::fields(Value::Array(self.fields));
            Content::Unreadable(fields.unwrap_or_default().into_iter().collect())
        });
        DeadLetter {
            id,
            content,
            worker: self.envelope.worker,
            reason: self.envelope.reason,
            deliveries: self.envelope.deliveries,
            at: self.envelope.at,
        }
    }

    /// The names and values of what was queued, as if it were new.
    pub(super) fn renew(&self) -> impl Iterator<Item = Value> {
        let pairs = self.fields.chunks_exact(2);
        let new = pairs.filter(|pair| {
            let name = pair[0].as_str();
            !name.is_some_and(|name| RETURNS.contains(&&*name))
        });
        new.flatten().cloned()
    }
}

/// What was queued, if it can be read.
fn content(fields: Vec<(String, String)>, envelope: &Envelope, spool: &str) -> Option<Content> {
    if envelope.stream == spool {
        let report = Report::from_fields(&fields.into_iter().collect()).ok()?;
        return Some(Content::Result(Box::new(report)));
    }
    let entry = entry::read(&fields).ok()?;
    Some(Content::Task(Box::new(entry.task)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(texts: &[&str]) -> Vec<Value> {
        texts.iter().copied().map(Value::from).collect()
    }

    fn envelope() -> Envelope {
        Envelope {
            reason: "poison".into(),
            at: "2026-03-01T12:00:00.25Z".parse().expect("is a time"),
            worker: WorkerId::parse("w").expect("is an identifier"),
            deliveries: 5,
            stream: "antcode:task:ready:w".into(),
            entry: "1-0".into(),
        }
    }

    fn written(fields: Vec<Value>) -> Vec<Value> {
        write(fields, &envelope()).collect()
    }

    #[test]
    fn a_letter_reads_as_it_was_written() {
        // A field of the scheduler's may have the name of one of ours.
        let fields = flat(&["task_id", "t", "worker_id", "theirs"]);
        let letter = written(fields.clone());

        assert_eq!(
            letter[6..8],
            flat(&["dead_at", "2026-03-01T12:00:00.250000+00:00"])
        );
        let envelope = envelope();
        assert_eq!(Letter::read(letter), Some(Letter { fields, envelope }));
    }

    #[test]
    fn what_somebody_else_wrote_is_no_letter() {
        assert_eq!(Letter::read(flat(&["task_id", "t"])), None);
        let mut letter = written(vec![]);
        letter[7] = "x".into();
        assert_eq!(Letter::read(letter.clone()), None);
        letter.swap(0, 2);
        assert_eq!(Letter::read(letter), None);
    }

    #[test]
    fn what_comes_from_the_spool_is_a_result_and_nothing_else_is() {
        let id = || LetterId::parse("1-0").expect("is an identifier");
        let fields = [
            ["run_id", "r"],
            ["task_id", "t"],
            ["worker_id", "w"],
            ["status", "failed"],
            ["at", "2026-03-01T12:00:00Z"],
        ];
        let from = |stream: &str| {
            let stream = stream.into();
            let envelope = Envelope {
                stream,
                ..envelope()
            };
            let fields = flat(fields.as_flattened());
            let letter = Letter { fields, envelope };
            letter.show(id(), "antcode:gateway:spool").content
        };

        assert!(
            matches!(from("antcode:gateway:spool"), Content::Result(report) if report.run.as_str() == "r")
        );
        assert!(matches!(from("antcode:task:ready:w"), Content::Task(_)));
    }

    #[test]
    fn what_is_queued_again_was_never_given_back() {
        let fields = flat(&["task_id", "t", "requeue_count", "16", "priority", "1"]);
        let envelope = envelope();
        let renewed: Vec<_> = Letter { fields, envelope }.renew().collect();
        assert_eq!(renewed, flat(&["task_id", "t", "priority", "1"]));
    }
}
