use std::collections::BTreeMap;

use gateway_core::domain::run::Report;
use gateway_core::domain::task::{self, Content, DeadLetter};
use gateway_core::ports::QueueView;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Debug, Serialize)]
pub(in super::super) struct Queues {
    pub(in super::super) queues: Vec<Queue>,
    pub(in super::super) dead: Vec<Dead>,
}

#[derive(Debug, Serialize)]
pub(in super::super) struct Queue {
    worker_id: String,
    waiting: usize,
    held: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<String>,
}

impl From<QueueView> for Queue {
    fn from(view: QueueView) -> Self {
        Self {
            worker_id: view.worker.to_string(),
            waiting: view.waiting,
            held: view.held,
            oldest: view.oldest.map(|at| at.to_string()),
        }
    }
}

/// How many are wanted at most.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct Limit {
    pub(in super::super) limit: usize,
}

impl Default for Limit {
    fn default() -> Self {
        Self { limit: 100 }
    }
}

/// A request that says all by its path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Nothing {}

#[derive(Debug, Serialize)]
pub(in super::super) struct DeadLetters {
    pub(in super::super) dead: Vec<Dead>,
}

/// A dead letter at a glance; of one that is no task, all there is.
#[derive(Debug, Serialize)]
pub(in super::super) struct Dead {
    #[serde(flatten)]
    letter: Letter,
    #[serde(flatten)]
    content: Glance,
}

/// A dead letter with everything in it.
#[derive(Debug, Serialize)]
pub(in super::super) struct WholeLetter {
    #[serde(flatten)]
    letter: Letter,
    #[serde(flatten)]
    content: Whole,
}

#[derive(Debug, Serialize)]
struct Letter {
    id: String,
    worker_id: String,
    reason: String,
    deliveries: u32,
    at: String,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Glance {
    Task {
        task_id: String,
        run_id: String,
    },
    Result {
        run_id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        task_id: Option<String>,
        status: &'static str,
    },
    Unreadable {
        fields: BTreeMap<String, String>,
    },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Whole {
    Task(Box<Task>),
    Result(Box<Outcome>),
    Unreadable { fields: BTreeMap<String, String> },
}

#[derive(Debug, Serialize)]
struct Task {
    task_id: String,
    run_id: String,
    project_id: String,
    project_type: String,
    priority: i32,
    params: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
    timeout: u64,
    download_url: String,
    file_hash: String,
    entry_point: String,
    is_compressed: bool,
}

/// A result; what it does not say is left out.
#[derive(Debug, Serialize)]
struct Outcome {
    run_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    status: &'static str,
    reported_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    error_message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u128>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<String, Box<RawValue>>,
}

impl From<DeadLetter> for Dead {
    fn from(dead: DeadLetter) -> Self {
        let (letter, content) = parts(dead);
        let content = match content {
            Content::Task(task) => Glance::Task {
                task_id: task.id.to_string(),
                run_id: task.run.to_string(),
            },
            Content::Result(report) => Glance::Result {
                run_id: report.run.to_string(),
                task_id: report.task.map(|task| task.to_string()),
                status: report.status.as_str(),
            },
            Content::Unreadable(fields) => Glance::Unreadable { fields },
        };
        Self { letter, content }
    }
}

impl From<DeadLetter> for WholeLetter {
    fn from(dead: DeadLetter) -> Self {
        let (letter, content) = parts(dead);
        let content = match content {
            Content::Task(task) => Whole::Task(Box::new((*task).into())),
            Content::Result(report) => Whole::Result(Box::new((*report).into())),
            Content::Unreadable(fields) => Whole::Unreadable { fields },
        };
        Self { letter, content }
    }
}

impl From<task::Task> for Task {
    fn from(task: task::Task) -> Self {
        Self {
            task_id: task.id.to_string(),
            run_id: task.run.to_string(),
            project_id: task.project_id,
            project_type: task.project_type,
            priority: task.priority,
            params: task.params,
            environment: task.environment,
            timeout: task.timeout.as_secs(),
            download_url: task.download_url,
            file_hash: task.file_hash,
            entry_point: task.entry_point,
            is_compressed: task.is_compressed,
        }
    }
}

impl From<Report> for Outcome {
    fn from(report: Report) -> Self {
        Self {
            run_id: report.run.to_string(),
            task_id: report.task.map(|task| task.to_string()),
            status: report.status.as_str(),
            reported_at: report.at.to_string(),
            exit_code: report.exit_code,
            error_message: report.error_message,
            started_at: report.started_at.map(|at| at.to_string()),
            finished_at: report.finished_at.map(|at| at.to_string()),
            duration_ms: report.duration.map(|duration| duration.as_millis()),
            data: report.data.into_iter().collect(),
        }
    }
}

fn parts(dead: DeadLetter) -> (Letter, Content) {
    let letter = Letter {
        id: dead.id.to_string(),
        worker_id: dead.worker.to_string(),
        reason: dead.reason,
        deliveries: dead.deliveries,
        at: dead.at.to_string(),
    };
    (letter, dead.content)
}
