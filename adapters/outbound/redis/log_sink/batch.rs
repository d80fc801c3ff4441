//! Lines of one run that go to Redis together.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use fred::types::Value;
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::LogLine;

use super::super::Kept;
use super::super::time::millis;

/// What a batch holds at the most: Redis serves nobody else while it takes one.
const MAX_LINES: usize = 500;
const MAX_BYTES: usize = 256 << 10;

/// What comes before the lines, and how much there is of each line.
const HEAD: usize = 3;
const FIELDS: usize = 4;

/// Lines of one run.
pub(super) struct Batch {
    /// As the script takes them.
    args: Vec<Value>,
    bytes: usize,
    hasher: DefaultHasher,
    /// Whether the worker counts its lines.
    counted: bool,
}

/// The batches of each run, the lines in the order they came.
pub(super) fn sort(lines: Vec<LogLine>) -> BTreeMap<RunId, Vec<Batch>> {
    let room = lines.len();
    let mut runs = BTreeMap::<RunId, Vec<Batch>>::new();
    for line in lines {
        // A call is of one run, as a rule, so that the name is rarely copied.
        let batches = match runs.get_mut(&line.run) {
            Some(batches) => batches,
            None => runs.entry(line.run.clone()).or_default(),
        };
        match batches.last_mut() {
            Some(batch) if batch.has_room(&line) => batch.push(line),
            _ => {
                let mut batch = Batch::new(room.min(MAX_LINES));
                batch.push(line);
                batches.push(batch);
            }
        }
    }
    runs
}

impl Batch {
    fn new(lines: usize) -> Self {
        let mut args = Vec::with_capacity(HEAD + FIELDS * lines);
        args.resize(HEAD, Value::Null);
        Self {
            args,
            bytes: 0,
            hasher: DefaultHasher::new(),
            counted: false,
        }
    }

    fn has_room(&self, line: &LogLine) -> bool {
        self.args.len() < HEAD + FIELDS * MAX_LINES
            && self.bytes + line.content.len() + line.timestamp.len() <= MAX_BYTES
    }

    fn push(&mut self, line: LogLine) {
        self.bytes += line.content.len() + line.timestamp.len();
        self.counted |= line.sequence != 0;
        line.stream.hash(&mut self.hasher);
        line.content.hash(&mut self.hasher);
        line.timestamp.hash(&mut self.hasher);
        line.sequence.hash(&mut self.hasher);
        self.args.extend([
            Value::from_static_str(line.stream.as_str()),
            Value::from(line.content),
            Value::from(line.timestamp),
            Value::from(line.sequence),
        ]);
    }

    /// What the script is called with.
    pub(super) fn into_args(self, kept: Kept) -> Vec<Value> {
        // Two equal batches of lines that nobody counts may be two that happen to be equal; only
        // our own repetitions are told from others then.
        let name = if self.counted {
            self.hasher.finish()
        } else {
            rand::random()
        };
        let mut args = self.args;
        args[0] = Value::from(i64::try_from(kept.max).unwrap_or(i64::MAX));
        args[1] = Value::from(millis(kept.ttl));
        args[2] = Value::from(format!("{name:016x}"));
        args
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_core::domain::log::LogStream;

    use super::*;

    const KEPT: Kept = Kept {
        max: 10,
        ttl: Duration::from_secs(1),
    };

    fn line(run: &str, sequence: i64) -> LogLine {
        LogLine {
            run: RunId::parse(run).expect("is an identifier"),
            stream: LogStream::Stdout,
            content: "x".repeat(1000),
            timestamp: "2026-11-22T12:00:00Z".into(),
            sequence,
        }
    }

    fn name(lines: Vec<LogLine>) -> Value {
        let (_, mut batches) = sort(lines).pop_first().expect("is of a run");
        batches.remove(0).into_args(KEPT)[2].clone()
    }

    #[test]
    fn a_batch_is_bounded_and_no_line_is_lost() {
        for (bytes, lines_each) in [(10, 500), (1000, 257), (300_000, 1)] {
            let lines = (1..=1200).map(|sequence| LogLine {
                content: "x".repeat(bytes),
                ..line("r", sequence)
            });
            let (_, batches) = sort(lines.collect()).pop_first().expect("is of a run");

            let mut next = 1;
            for batch in batches {
                let args = batch.into_args(KEPT);
                let sequences: Vec<_> = args[HEAD..]
                    .chunks(FIELDS)
                    .map(|line| line[3].as_i64())
                    .collect();
                let end = next + i64::try_from(sequences.len()).expect("is no large number");
                assert_eq!(sequences, (next..end).map(Some).collect::<Vec<_>>());
                assert!(end == 1201 || sequences.len() == lines_each, "{bytes}");
                next = end;
            }
            assert_eq!(next, 1201);
        }
    }

    #[test]
    fn a_batch_is_told_from_others_by_all_it_holds() {
        let lines = || vec![line("r", 0), line("r", 1)];
        let other_stream = LogLine {
            stream: LogStream::Stderr,
            ..line("r", 1)
        };
        let other_time = LogLine {
            timestamp: "2026-11-22T12:00:01Z".into(),
            ..line("r", 1)
        };

        assert_eq!(name(lines()), name(lines()));
        for other in [other_stream, other_time, line("r", 2)] {
            assert_ne!(name(vec![line("r", 0), other]), name(lines()));
        }
    }

    #[test]
    fn no_two_batches_of_lines_that_nobody_counts_are_the_same() {
        assert_ne!(name(vec![line("r", 0)]), name(vec![line("r", 0)]));
    }
}
