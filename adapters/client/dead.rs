use std::process::ExitCode;

use gateway_core::domain::id::LetterId;
use http::Method;
use serde_json::Value;

use super::api::Api;
use super::table::{glance, paragraph, table, to_the_second};
use super::{ClientError, Console, wire};

/// What to do about dead letters.
#[derive(Clone, Debug)]
pub enum Dead {
    /// List them, the newest first.
    List(DeadList),
    /// Show one with everything in it.
    Show(DeadShow),
    /// Queue what it holds again: a task for its worker, a result for its store.
    Requeue(String),
    /// Take it away for good.
    Drop(String),
}

/// Which dead letters to list, and how.
#[derive(Clone, Copy, Debug)]
pub struct DeadList {
    /// How many at most.
    pub limit: u32,
    /// Print JSON.
    pub json: bool,
}

/// Which dead letter to show, and how.
#[derive(Clone, Debug)]
pub struct DeadShow {
    /// Its name.
    pub id: String,
    /// Print JSON.
    pub json: bool,
}

pub(super) fn run(
    api: &Api<'_>,
    asked: &Dead,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    match asked {
        Dead::List(asked) => list(api, *asked, console),
        Dead::Show(asked) => show(api, asked, console),
        Dead::Requeue(id) => {
            let id = LetterId::parse(id)?;
            api.tell(Method::POST, &format!("/api/dead/{id}/requeue"))?;
            console.lines(&[format!("queued again: {id}")])
        }
        Dead::Drop(id) => {
            let id = LetterId::parse(id)?;
            api.tell(Method::DELETE, &format!("/api/dead/{id}"))?;
            console.lines(&[format!("dropped: {id}")])
        }
    }
}

fn list(
    api: &Api<'_>,
    asked: DeadList,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let path = format!("/api/dead?limit={}", asked.limit);
    if asked.json {
        return console.json(&api.read(&path)?);
    }
    let wire::DeadLetters { dead } = api.read(&path)?;
    let rows: Vec<_> = dead.iter().map(row).collect();
    let titles = [
        "ID", "HOLDS", "WORKER", "TASK", "RUN", "TRIES", "GIVEN UP", "REASON",
    ];
    console.lines(&table(titles, &rows))
}

fn row(letter: &wire::Letter) -> [String; 8] {
    let find = |name| letter.content.get(name).and_then(Value::as_str);
    let text = |name| find(name).unwrap_or("-").to_owned();
    [
        letter.id.clone(),
        match find("status") {
            Some(status) => format!("result: {status}"),
            None if find("run_id").is_some() => "task".to_owned(),
            None => "-".to_owned(),
        },
        letter.worker_id.clone(),
        text("task_id"),
        text("run_id"),
        letter.deliveries.to_string(),
        to_the_second(&letter.at),
        glance(&letter.reason),
    ]
}

fn show(
    api: &Api<'_>,
    asked: &DeadShow,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let path = format!("/api/dead/{}", LetterId::parse(&asked.id)?);
    if asked.json {
        return console.json(&api.read(&path)?);
    }
    console.lines(&details(&api.read(&path)?))
}

/// What is known of it, then all that it holds.
fn details(letter: &wire::Letter) -> Vec<String> {
    const WIDTH: usize = 13;
    let facts = [
        ("id", letter.id.clone()),
        ("worker", letter.worker_id.clone()),
        ("reason", letter.reason.clone()),
        ("deliveries", letter.deliveries.to_string()),
        ("given up", letter.at.clone()),
    ];
    let content = letter.content.iter();
    let content = content.map(|(name, value)| (name.as_str(), told(value)));
    facts
        .into_iter()
        .chain(content)
        .flat_map(|(name, fact)| paragraph(WIDTH, name, &fact))
        .collect()
}

/// A text as it is, anything else as JSON; nothing, if there is nothing in it.
fn told(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    match value.as_object() {
        Some(object) if object.is_empty() => String::new(),
        _ => format!("{value:#}"),
    }
}
