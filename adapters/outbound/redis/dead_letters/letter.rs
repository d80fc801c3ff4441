use gateway_core::domain::id::{LetterId, WorkerId};
use gateway_core::domain::run::Report;
use gateway_core::domain::task::{Content, DeadLetter};
use gateway_core::domain::time::{self, Timestamp};

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

/// The fields of a letter.
pub(super) fn write(
    fields: &[(String, String)],
    envelope: &Envelope,
) -> impl Iterator<Item = String> {
    let values = [
        envelope.reason.clone(),
        iso(envelope.at),
        envelope.worker.to_string(),
        envelope.deliveries.to_string(),
        envelope.stream.clone(),
        envelope.entry.clone(),
    ];
    let ours = OURS.map(str::to_owned).into_iter().zip(values);
    let all = fields.iter().cloned().chain(ours);
    all.flat_map(|(name, value)| [name, value])
}

/// Reads a letter: what was queued, field by field, and the envelope; none if it is no letter.
pub(super) fn read(mut fields: Vec<(String, String)>) -> Option<(Vec<(String, String)>, Envelope)> {
    let ours = fields.split_off(fields.len().checked_sub(OURS.len())?);
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
    Some((fields, envelope))
}

/// The letter for an operator. What comes from the `spool` was a result, all else a task.
pub(super) fn show(
    id: LetterId,
    fields: Vec<(String, String)>,
    envelope: Envelope,
    spool: &str,
) -> DeadLetter {
    let content = if envelope.stream == spool {
        let fields = fields.into_iter().collect();
        let report = Report::from_fields(&fields);
        report.map_or(Content::Unreadable(fields), |report| {
            Content::Result(Box::new(report))
        })
    } else {
        match entry::read(&fields) {
            Ok(entry) => Content::Task(Box::new(entry.task)),
            Err(_) => Content::Unreadable(fields.into_iter().collect()),
        }
    };
    DeadLetter {
        id,
        content,
        worker: envelope.worker,
        reason: envelope.reason,
        deliveries: envelope.deliveries,
        at: envelope.at,
    }
}

/// What was queued, as if it were new.
pub(super) fn renew(fields: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    let fields = fields.into_iter();
    fields.filter(|(name, _)| !RETURNS.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
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

    fn written(fields: &[(String, String)]) -> Vec<(String, String)> {
        let flat: Vec<_> = write(fields, &envelope()).collect();
        let pairs = flat.chunks_exact(2);
        pairs
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    }

    #[test]
    fn a_letter_reads_as_it_was_written() {
        // A field of the scheduler's may have the name of one of ours.
        let fields = pairs(&[("task_id", "t"), ("worker_id", "theirs")]);
        let letter = written(&fields);

        assert_eq!(
            letter[3],
            pairs(&[("dead_at", "2026-03-01T12:00:00.250000+00:00")])[0]
        );
        assert_eq!(read(letter), Some((fields, envelope())));
    }

    #[test]
    fn what_somebody_else_wrote_is_no_letter() {
        assert_eq!(read(pairs(&[("task_id", "t")])), None);
        let mut letter = written(&[]);
        letter[3].1 = "x".into();
        assert_eq!(read(letter.clone()), None);
        letter.swap(0, 1);
        assert_eq!(read(letter), None);
    }

    #[test]
    fn what_comes_from_the_spool_is_a_result_and_nothing_else_is() {
        let id = || LetterId::parse("1-0").expect("is an identifier");
        let fields = pairs(&[
            ("run_id", "r"),
            ("task_id", "t"),
            ("worker_id", "w"),
            ("status", "failed"),
            ("at", "2026-03-01T12:00:00Z"),
        ]);
        let from = |stream: &str| {
            let stream = stream.into();
            let envelope = Envelope {
                stream,
                ..envelope()
            };
            show(id(), fields.clone(), envelope, "antcode:gateway:spool").content
        };

        assert!(
            matches!(from("antcode:gateway:spool"), Content::Result(report) if report.run.as_str() == "r")
        );
        assert!(matches!(from("antcode:task:ready:w"), Content::Task(_)));
    }

    #[test]
    fn what_is_queued_again_was_never_given_back() {
        let fields = pairs(&[("task_id", "t"), ("requeue_count", "16"), ("priority", "1")]);
        let renewed: Vec<_> = renew(fields).collect();
        assert_eq!(renewed, pairs(&[("task_id", "t"), ("priority", "1")]));
    }
}
