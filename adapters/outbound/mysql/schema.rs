//! The statements, and with them all names of tables and columns that results touch.
//!
//! Values are bound, never written into a statement. Many of them at once are bound as one JSON
//! document, so that a statement has one text, and is prepared once, however many rows it is for.
//! Texts are in there as Base64: `MariaDB` loses what follows a NUL in a JSON string.

use std::fmt::Write as _;
use std::marker::PhantomData;

use diesel::mysql::Mysql;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Double, Integer, Nullable, Text};
use serde_json::Value;

/// A statement with what is bound to its question marks.
#[derive(Clone, Debug)]
pub(super) struct Statement<Answer = ()> {
    text: String,
    bound: Vec<Option<String>>,
    answer: PhantomData<Answer>,
}

impl<Answer> Statement<Answer> {
    fn new(text: impl Into<String>, bound: Vec<String>) -> Self {
        Self {
            text: text.into(),
            bound: bound.into_iter().map(Some).collect(),
            answer: PhantomData,
        }
    }
}

impl<Answer> QueryFragment<Mysql> for Statement<Answer> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Mysql>) -> QueryResult<()> {
        let mut bound = self.bound.iter();
        for (place, part) in self.text.split('?').enumerate() {
            if place > 0 {
                let value = bound.next().ok_or(diesel::result::Error::NotFound)?;
                out.push_bind_param::<Nullable<Text>, Option<String>>(value)?;
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

/// The text of it is its identity, by which its preparation is kept.
impl<Answer> QueryId for Statement<Answer> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Answer> Query for Statement<Answer> {
    type SqlType = Answer;
}

/// The columns of [`lock_runs`].
pub(super) type LockedRun = (
    Text,
    BigInt,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Double>,
    Nullable<Integer>,
    Nullable<Text>,
);

/// Whether one waits for rows that others hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locking {
    /// One does, for as long as the session may.
    Wait,
    /// One does not: they come back without anything but their name.
    Skip,
}

/// The longest name that a run can have as its `public_id`.
const PUBLIC_ID_LEN: usize = 32;

/// Locks the runs of these names, in the order of their ids, and reads them.
///
/// The inner query finds them without a lock; so nothing but these rows is ever locked, whatever
/// way the server takes to them, and `ORDER BY` is the order of the locks.
pub(super) fn lock_runs(names: &[&str], locking: Locking) -> Statement<LockedRun> {
    let (found, bound) = find(names);
    let locking = match locking {
        Locking::Wait => "",
        Locking::Skip => " SKIP LOCKED",
    };
    let text = format!(
        "SELECT o.name, o.place, e.id, e.task_id, e.worker_id, e.dispatch_status, \
         e.status, e.runtime_status, CAST(e.runtime_updated_at AS CHAR), \
         CAST(e.start_time AS CHAR), CAST(e.end_time AS CHAR), e.duration_seconds, e.exit_code, \
         CAST(e.result_data AS CHAR) \
         FROM ({found} ORDER BY id LIMIT 1000000) o \
         LEFT JOIN task_executions e FORCE INDEX (PRIMARY) ON e.id = o.id \
         FOR UPDATE{locking}"
    );
    Statement::new(text, bound)
}

/// The columns of [`read_status`].
pub(super) type StatusOf = (Text, BigInt, Nullable<Text>, Nullable<Text>);

/// Reads how far the run of this name is.
pub(super) fn read_status(name: &str) -> Statement<StatusOf> {
    let (found, bound) = find(&[name]);
    let text = format!(
        "SELECT o.name, o.place, e.status, e.runtime_status \
         FROM ({found}) o JOIN task_executions e ON e.id = o.id"
    );
    Statement::new(text, bound)
}

/// Finds the ids of the runs of these names: by `run_id` in place 0, by `public_id` in place 1.
fn find(names: &[&str]) -> (String, Vec<String>) {
    let short = names.iter().filter(|name| name.len() <= PUBLIC_ID_LEN);
    let short: Vec<_> = short.copied().collect();
    let mut bound = padded(names);
    let mut text = format!(
        "SELECT id, run_id AS name, 0 AS place FROM task_executions WHERE run_id IN ({})",
        marks(bound.len())
    );
    if !short.is_empty() {
        let short = padded(&short);
        // Writing to a String does not fail.
        let _ = write!(
            text,
            " UNION ALL SELECT id, public_id, 1 FROM task_executions WHERE public_id IN ({})",
            marks(short.len())
        );
        bound.extend(short);
    }
    (text, bound)
}

/// Finds the ids of workers.
pub(super) fn workers(names: &[&str]) -> Statement<(BigInt, Text)> {
    let bound = padded(names);
    let text = format!(
        "SELECT id, public_id FROM workers WHERE public_id IN ({})",
        marks(bound.len())
    );
    Statement::new(text, bound)
}

/// The words to come in a list, the last again and again until there are 1, 2, 4, 8 …: so there
/// are few lists of different lengths to be prepared.
fn padded(names: &[&str]) -> Vec<String> {
    let mut bound: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    if let Some(last) = bound.last().cloned() {
        bound.resize(bound.len().next_power_of_two(), last);
    }
    bound
}

fn marks(count: usize) -> String {
    let mut marks = "?,".repeat(count);
    marks.pop();
    marks
}

/// A table that rows are written to, each by its id.
pub(super) struct Target {
    table: &'static str,
    /// What rows are made of besides the id, which comes first.
    columns: &'static [(&'static str, &'static str)],
    /// What is done with them, by the name of `n`.
    changes: &'static str,
}

/// Runs; what is null of a row stays as it is.
///
/// What is no JSON in `result_data` goes, for its check would keep the whole row from being
/// written.
pub(super) const RUNS: Target = Target {
    table: "task_executions",
    columns: &[
        ("at", "VARCHAR(26)"),
        ("acked_at", "VARCHAR(26)"),
        ("status", "VARCHAR(11)"),
        ("start_time", "VARCHAR(26)"),
        ("end_time", "VARCHAR(26)"),
        ("duration", "DOUBLE"),
        ("exit_code", "INT"),
        ("error", "LONGTEXT"),
        ("data", "LONGTEXT"),
    ],
    changes: "\
        e.dispatch_status = IF(n.acked_at IS NULL, e.dispatch_status, 'acked'), \
        e.dispatch_updated_at = COALESCE(n.acked_at, e.dispatch_updated_at), \
        e.runtime_status = n.status, e.status = n.status, \
        e.runtime_updated_at = n.at, e.last_heartbeat = n.at, \
        e.start_time = COALESCE(n.start_time, e.start_time), \
        e.end_time = COALESCE(n.end_time, e.end_time), \
        e.duration_seconds = COALESCE(n.duration, e.duration_seconds), \
        e.exit_code = COALESCE(n.exit_code, e.exit_code), \
        e.error_message = COALESCE(CONVERT(FROM_BASE64(n.error) USING utf8mb4), e.error_message), \
        e.result_data = COALESCE(CONVERT(FROM_BASE64(n.data) USING utf8mb4), \
        IF(JSON_VALID(e.result_data), e.result_data, NULL))",
};

/// The books of tasks.
pub(super) const TASKS: Target = Target {
    table: "scheduled_tasks",
    columns: &[
        ("status", "VARCHAR(11)"),
        ("last_run_time", "VARCHAR(26)"),
        ("successes", "INT"),
        ("failures", "INT"),
    ],
    changes: "\
        e.status = n.status, e.last_run_time = COALESCE(n.last_run_time, e.last_run_time), \
        e.success_count = COALESCE(e.success_count, 0) + n.successes, \
        e.failure_count = COALESCE(e.failure_count, 0) + n.failures",
};

impl Target {
    /// Writes `rows`, if there are any.
    ///
    /// One alone is bound value by value: it is on its way in half the time.
    pub(super) fn write(&self, rows: Vec<Vec<Value>>) -> Option<Statement> {
        match &rows[..] {
            [] => None,
            [row] => Some(self.write_one(row)),
            _ => Some(self.write_many(Value::from(rows).to_string())),
        }
    }

    fn write_many(&self, rows: String) -> Statement {
        let Self { table, changes, .. } = self;
        let columns = (1..).zip(self.columns);
        let columns =
            columns.map(|(place, (name, kind))| format!(", {name} {kind} PATH '$[{place}]'"));
        let columns: String = columns.collect();
        let text = format!(
            "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$[0]'{columns})) n \
             STRAIGHT_JOIN {table} e FORCE INDEX (PRIMARY) ON e.id = n.id SET {changes}"
        );
        Statement::new(text, vec![rows])
    }

    fn write_one(&self, row: &[Value]) -> Statement {
        let mut text = format!("UPDATE {} e SET ", self.table);
        let mut bound = Vec::new();
        let mut parts = self.changes.split("n.").peekable();
        while let Some(part) = parts.next() {
            // What follows an `n.` begins with the name of a column.
            let mut rest = part;
            if text.ends_with('?') {
                let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                let (name, after) = part.split_at(end.unwrap_or(part.len()));
                let place = self.columns.iter().position(|(column, _)| *column == name);
                bound.push(place.and_then(|place| as_text(row.get(place + 1)?)));
                rest = after;
            }
            text.push_str(rest);
            if parts.peek().is_some() {
                text.push('?');
            }
        }
        text.push_str(" WHERE e.id = ?");
        bound.push(row.first().and_then(as_text));
        Statement {
            text,
            bound,
            answer: PhantomData,
        }
    }
}

/// A value as it is bound.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

/// Puts reports into the outbox, in their order.
pub(super) fn put_out(reports: String) -> Statement {
    const TEXT: &str = "\
        INSERT INTO gateway_outbox (fields, created_at) \
        SELECT CONVERT(FROM_BASE64(n.fields) USING utf8mb4), UTC_TIMESTAMP(6) \
        FROM JSON_TABLE(?, '$[*]' COLUMNS (place FOR ORDINALITY, fields LONGTEXT PATH '$')) n \
        ORDER BY n.place";
    Statement::new(TEXT, vec![reports])
}

/// Locks the oldest of the outbox, and reads them.
///
/// Those that are being put in by somebody who has not committed are waited for, as are those that
/// another gateway is just publishing: so they leave in their order, whoever publishes.
pub(super) fn oldest_out(count: usize) -> Statement<(BigInt, Text)> {
    let text = format!(
        "SELECT id, CAST(fields AS CHAR) FROM gateway_outbox ORDER BY id LIMIT {count} FOR UPDATE"
    );
    Statement::new(text, Vec::new())
}

/// Takes from the outbox what has been published: an array of ids.
pub(super) fn take_out(ids: String) -> Statement {
    const TEXT: &str = "\
        DELETE o FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) n \
        STRAIGHT_JOIN gateway_outbox o ON o.id = n.id";
    Statement::new(TEXT, vec![ids])
}

/// Counts what waits in the outbox.
pub(super) fn count_out() -> Statement<BigInt> {
    Statement::new("SELECT COUNT(*) FROM gateway_outbox", Vec::new())
}
