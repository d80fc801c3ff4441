//! Entries of streams, which others write, too.

use fred::types::Value;
use gateway_core::domain::id::{LetterId, ReceiptId, RunId, WorkerId};

use super::control_channel::message;
use super::dead_letters::Letter;
use super::entry_id::EntryId;
use super::keys::Keys;
use super::log_sink::File;
use super::master::{line, task_fields};
use super::receipt::{self, Claim};
use super::task_queue::entry;
use super::{reply, spool};
use crate::fuzz::{fields, fuzz, text};

fn worker(id: &str) -> WorkerId {
    WorkerId::parse(id).expect("is an identifier")
}

fn owned<const N: usize>(fields: [(&'static str, String); N]) -> Vec<(String, String)> {
    let fields = fields.into_iter();
    fields.map(|(name, text)| (name.to_owned(), text)).collect()
}

/// What answers are made of: a line each, those that are numbers as such.
fn values(input: &[u8]) -> Vec<Value> {
    let lines = input.split(|byte| *byte == b'\n');
    let value = |line: &[u8]| match std::str::from_utf8(line) {
        Ok("(nil)") => Value::Null,
        Ok(text) => text.parse().map_or(text.into(), Value::Integer),
        Err(_) => Value::Bytes(line.to_vec().into()),
    };
    lines.map(value).collect()
}

#[test]
fn entries_of_tasks() {
    fuzz("redis_task", |input| {
        let read = match entry::read(&fields(input)) {
            Ok(read) => read,
            Err(invalid) => return (invalid.field, 0, 0),
        };
        let written = entry::read(&owned(task_fields(read.task.clone())));
        assert_eq!(written.map(|entry| entry.task), Ok(read.task.clone()));
        let task = &read.task;
        ("", task.params.len(), read.returns.min(3))
    });
}

#[test]
fn entries_of_commands() {
    let keys = Keys::new("n");
    fuzz("redis_control", |input| {
        let command = match message::read(&keys, &fields(input)) {
            Ok(command) => command,
            Err(unreadable) => return Err(unreadable.to_string().len()),
        };
        let written = message::write(&keys, command.clone()).into_iter();
        let written: Vec<_> = written
            .map(|(name, text)| (name.to_owned(), text))
            .collect();
        assert_eq!(message::read(&keys, &written), Ok(command));
        Ok(written.len())
    });
}

#[test]
fn receipts() {
    fuzz("receipt", |input| {
        let Ok(receipt) = ReceiptId::parse(&text(input)) else {
            return 0;
        };
        let claims = ["w", "v"].map(|id| match receipt::read(&worker(id), &receipt) {
            Claim::Theirs(id_of, mark) => {
                if let Some(mark) = mark {
                    assert_eq!(receipt::make(&worker(id), id_of, mark), receipt);
                }
                1 + u8::from(mark.is_some())
            }
            Claim::Anothers => 3,
            Claim::Void => 4,
        });
        assert_ne!(claims, [2, 2], "{receipt} is two workers'");
        claims[0] * 10 + claims[1]
    });
}

#[test]
fn ids_of_entries() {
    fuzz("receipt", |input| {
        let text = text(input);
        let id = EntryId::parse(&text);
        assert!(id.is_none_or(|id| id.to_string() == text), "{text}");
        id.is_some()
    });
}

#[test]
fn entries_of_the_spool() {
    fuzz("redis_spool", |input| {
        let mut fields = fields(input);
        let id = fields.swap_remove(0).0;
        let entry = (id, fields);
        let whose = spool::entry::worker(&entry.1);
        match spool::entry::read(&entry) {
            Ok(waiting) => {
                assert!(waiting.since.as_millisecond() >= -377_705_023_201_000);
                let fields = entry.1.iter().filter(|(name, _)| name == "worker_id");
                assert!(fields.count() > 1 || whose == waiting.report.worker);
                String::new()
            }
            Err(reason) => reason.split(':').next().unwrap_or_default().to_owned(),
        }
    });
}

#[test]
fn dead_letters() {
    fuzz("redis_letter", |input| {
        let letter = Letter::read(values(input))?;
        let id = LetterId::parse("1-0").expect("is an identifier");
        let shown = letter.show(id, "n:gateway:spool");
        Some((
            std::mem::discriminant(&shown.content),
            shown.deliveries.min(2),
        ))
    });
}

#[test]
fn lines_and_files_of_logs() {
    let run = RunId::parse("r").expect("is an identifier");
    fuzz("redis_log", |input| {
        let line = line(&run, fields(input));
        let file: Option<File> = text(input).parse().ok();
        if let Some(file) = &file {
            assert_eq!(file.to_string().parse().ok().as_ref(), Some(file));
        }
        (line.stream, line.sequence == 0, file.is_some())
    });
}

#[test]
fn answers() {
    fuzz("redis_reply", |input| {
        let values = values(input);
        let nested = Value::Array(vec![
            values.first().cloned().unwrap_or(Value::Null),
            Value::Array(values.get(1..).unwrap_or_default().to_vec()),
        ]);
        let entry = reply::entry(nested.clone());
        let entries = reply::entries(Value::Array(vec![nested]));
        assert_eq!(entry.is_ok(), entries.is_ok());
        let flat = reply::fields(Value::Array(values.clone()));
        if let (Ok(fields), Some(texts)) = (&flat, reply::texts_only(&values)) {
            assert_eq!(fields.len(), texts.len());
        }
        let numbers = values.iter().filter(|value| reply::number(value).is_ok());
        (entry.is_ok(), flat.is_ok(), numbers.count().min(3))
    });
}
