//! What reports make of runs and of their tasks' books, until it is written.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_core::domain::run::{Recorded, Report, Run, RunStatus, Tally};
use gateway_core::domain::time::Timestamp;
use serde_json::{Value, json};

use super::super::zone::Zone;
use super::row::Row;

/// Everything that one transaction writes. It goes by id, as locks do.
#[derive(Default)]
pub(super) struct Ledger {
    runs: BTreeMap<i64, Entry>,
    books: BTreeMap<i64, Books>,
    told: Vec<Value>,
}

/// A run, and what has become of it.
struct Entry {
    task: i64,
    unacknowledged: bool,
    run: Run,
    changed: bool,
    has_new_data: bool,
}

/// What is to be added to the books of a task.
struct Books {
    status: RunStatus,
    last_run_time: Option<Timestamp>,
    successes: u32,
    failures: u32,
}

impl Ledger {
    /// Takes `report` in, which is about the run in `row`; whether that is to be told to others.
    pub(super) fn enter(&mut self, report: &Report, row: &Row, zone: &Zone) -> Option<Recorded> {
        let (id, task) = (row.id?, row.task?);
        let entry = self.runs.entry(id).or_insert_with(|| Entry {
            task,
            unacknowledged: row.is_unacknowledged(),
            run: row.run(zone, &hints(report)),
            changed: false,
            has_new_data: false,
        });
        let recorded = entry.run.record(report);
        if let Recorded::Changed { started, tally } = recorded {
            entry.changed = true;
            entry.has_new_data |= !report.data.is_empty();
            let task = entry.task;
            let books = self.books.entry(task).or_insert_with(|| Books {
                status: report.status,
                last_run_time: None,
                successes: 0,
                failures: 0,
            });
            books.enter(report, started, tally);
        }
        Some(recorded)
    }

    /// Has `report` told to others once it is written.
    pub(super) fn tell(&mut self, report: &Report) {
        let fields = report.to_fields().into_iter();
        let fields = fields.map(|(name, text)| (name.to_owned(), Value::String(text)));
        let fields = Value::Object(fields.collect());
        self.told.push(Value::String(encode(&fields.to_string())));
    }

    /// The rows of `schema::RUNS`.
    pub(super) fn runs(&self, zone: &Zone) -> Vec<Vec<Value>> {
        let changed = self.runs.iter().filter(|(_, entry)| entry.changed);
        changed.map(|(id, entry)| entry.row(*id, zone)).collect()
    }

    /// The rows of `schema::TASKS`.
    pub(super) fn tasks(&self, zone: &Zone) -> Vec<Vec<Value>> {
        let rows = self.books.iter().map(|(task, books)| {
            let last_run_time = books.last_run_time.and_then(|time| zone.wall(time));
            vec![
                json!(task),
                json!(books.status.as_str()),
                json!(last_run_time),
                json!(books.successes),
                json!(books.failures),
            ]
        });
        rows.collect()
    }

    /// What `schema::put_out` takes, if there is anything.
    pub(super) fn told(self) -> Option<String> {
        (!self.told.is_empty()).then(|| Value::Array(self.told).to_string())
    }
}

impl Entry {
    fn row(&self, id: i64, zone: &Zone) -> Vec<Value> {
        let run = &self.run;
        let wall = |time: Option<Timestamp>| time.and_then(|time| zone.wall(time));
        let at = wall(run.changed_at);
        let acked_at = at.as_ref().filter(|_| self.unacknowledged);
        let data = self.has_new_data.then(|| run.data.to_string());
        vec![
            json!(id),
            json!(at),
            json!(acked_at),
            json!(run.status.map(RunStatus::as_str)),
            json!(wall(run.started_at)),
            json!(wall(run.ended_at)),
            json!(run.duration.map(|time| time.as_secs_f64())),
            json!(run.exit_code),
            json!(run.error_message.as_deref().map(encode)),
            json!(data.as_deref().map(encode)),
        ]
    }
}

impl Books {
    fn enter(&mut self, report: &Report, started: bool, tally: Option<Tally>) {
        self.status = report.status;
        if started {
            self.last_run_time = report.started_at.or(Some(report.at));
        }
        match tally {
            Some(Tally::Success) => self.successes += 1,
            Some(Tally::Failure) => self.failures += 1,
            None => {}
        }
    }
}

/// The instants that a report names: what the row holds of it already was one of them.
fn hints(report: &Report) -> Vec<Timestamp> {
    let others = [report.started_at, report.finished_at];
    let others = others.into_iter().flatten();
    std::iter::once(report.at).chain(others).collect()
}

fn encode(text: &str) -> String {
    STANDARD.encode(text)
}
