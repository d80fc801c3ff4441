//! What the admin port is sent and what it answers, as far as the tools look at it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A task for a worker. What is not said is made up, or has its default, at the gateway.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewTask {
    /// The worker that shall run it.
    #[serde(rename = "worker_id")]
    pub worker: String,
    /// The task's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// The name of this run of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The project it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// What kind of project that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_type: Option<String>,
    /// Higher is more urgent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// What the program is called with.
    pub params: BTreeMap<String, String>,
    /// What its environment holds besides.
    pub environment: BTreeMap<String, String>,
    /// Seconds that it may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Where its code is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_url: Option<String>,
    /// What its code hashes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_hash: Option<String>,
    /// What to start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Queued {
    pub(super) task_id: String,
    pub(super) run_id: String,
    pub(super) worker_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    pub(super) request_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) error: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Runs {
    pub(super) runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) run_id: String,
    pub(super) task_id: String,
    pub(super) worker_id: String,
    pub(super) status: String,
    pub(super) exit_code: Option<i32>,
    pub(super) error_message: Option<String>,
    pub(super) created_at: String,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) duration_seconds: Option<f64>,
    #[serde(default)]
    pub(super) data: Map<String, Value>,
}

/// A line of a log's NDJSON.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Entry {
    Line { log_type: String, content: String },
    Dropped { dropped: u64 },
}

#[derive(Debug, Deserialize)]
pub(super) struct Queues {
    pub(super) queues: Vec<Queue>,
    pub(super) dead: Vec<Letter>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Queue {
    pub(super) worker_id: String,
    pub(super) waiting: u64,
    pub(super) held: u64,
    pub(super) oldest: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeadLetters {
    pub(super) dead: Vec<Letter>,
}

/// A dead letter, with as much of its content as was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) worker_id: String,
    pub(super) reason: String,
    pub(super) deliveries: u64,
    pub(super) at: String,
    #[serde(flatten)]
    pub(super) content: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Workers {
    pub(super) workers: Vec<Worker>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Worker {
    pub(super) status: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Replies {
    pub(super) replies: Vec<Reply>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    pub(super) worker_id: String,
    pub(super) success: bool,
    pub(super) data: Value,
    pub(super) error: String,
}
