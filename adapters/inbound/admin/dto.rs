//! What goes over the wire, in JSON.

mod queue;

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_core::domain::control::Reply;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::{NumberedLine, RunView, WorkerView};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub(super) use self::queue::{Dead, DeadLetters, Limit, Nothing, Queue, Queues, WholeLetter};

/// A task to queue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTask {
    pub(super) worker_id: String,
    pub(super) task_id: Option<String>,
    pub(super) run_id: Option<String>,
    pub(super) project_id: Option<String>,
    pub(super) project_type: Option<String>,
    pub(super) priority: Option<i32>,
    pub(super) params: Option<Map<String, Value>>,
    pub(super) environment: Option<Map<String, Value>>,
    pub(super) timeout: Option<i64>,
    pub(super) download_url: Option<String>,
    pub(super) file_hash: Option<String>,
    pub(super) entry_point: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Queued {
    pub(super) task_id: String,
    pub(super) run_id: String,
    pub(super) worker_id: String,
}

/// Something to tell workers. A field that does not belong to its type is refused as any other
/// unknown one.
#[derive(Debug, Deserialize)]
#[serde(tag = "control_type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Control {
    #[serde(alias = "kill")]
    Cancel {
        worker_id: Option<String>,
        task_id: Option<String>,
        run_id: Option<String>,
        reason: Option<String>,
    },
    ConfigUpdate {
        worker_id: Option<String>,
        config: Map<String, Value>,
    },
    RuntimeManage {
        worker_id: Option<String>,
        action: String,
        request_id: Option<String>,
        payload: Option<Map<String, Value>>,
    },
}

#[derive(Debug, Serialize)]
pub(super) struct Sent {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wait {
    #[serde(default)]
    pub(super) wait_ms: u64,
}

/// Which part of a log is wanted, and whether what is still to come belongs to it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Part {
    pub(super) from: u64,
    pub(super) follow: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) error: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Runs {
    pub(super) runs: Vec<Run>,
}

#[derive(Debug, Serialize)]
pub(super) struct Run {
    run_id: String,
    task_id: String,
    worker_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<String, Box<RawValue>>,
}

impl From<RunView> for Run {
    fn from(view: RunView) -> Self {
        let run = view.run;
        Self {
            run_id: view.id.to_string(),
            task_id: view.task.to_string(),
            worker_id: view.worker.to_string(),
            status: run.status.map_or("pending", |status| status.as_str()),
            exit_code: run.exit_code,
            error_message: run.error_message,
            created_at: view.created_at.to_string(),
            started_at: run.started_at.map(|at| at.to_string()),
            finished_at: run.ended_at.map(|at| at.to_string()),
            duration_seconds: run.duration.as_ref().map(Duration::as_secs_f64),
            data: run.data.into_iter().collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    index: u64,
    log_type: &'static str,
    content: &'a str,
    timestamp: &'a str,
    sequence: i64,
}

impl<'a> From<&'a NumberedLine> for Line<'a> {
    fn from(NumberedLine { index, line }: &'a NumberedLine) -> Self {
        Self {
            index: *index,
            log_type: line.stream.as_str(),
            content: &line.content,
            timestamp: &line.timestamp,
            sequence: line.sequence,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Dropped {
    pub(super) dropped: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Replies {
    pub(super) replies: Vec<Answer>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    worker_id: String,
    request_id: String,
    success: bool,
    data: Value,
    error: String,
}

impl From<(WorkerId, Reply)> for Answer {
    fn from((worker, reply): (WorkerId, Reply)) -> Self {
        let data = match reply.data.as_str() {
            "" => Value::Null,
            // A worker may send what is no JSON. It is shown as it came.
            text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        };
        Self {
            worker_id: worker.to_string(),
            request_id: reply.request.to_string(),
            success: reply.success,
            data,
            error: reply.error,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Workers {
    pub(super) workers: Vec<Worker>,
}

#[derive(Debug, Serialize)]
pub(super) struct Worker {
    worker_id: String,
    status: &'static str,
    running_tasks: u32,
    max_concurrent_tasks: u32,
    cpu_percent: f32,
    memory_percent: f32,
    disk_percent: f32,
    version: String,
    os_type: String,
    os_version: String,
    python_version: String,
    machine_arch: String,
    capabilities: BTreeMap<String, String>,
    timestamp: String,
}

impl From<WorkerView> for Worker {
    fn from(view: WorkerView) -> Self {
        Self {
            worker_id: view.id.to_string(),
            status: view.status.as_str(),
            running_tasks: view.load.running,
            max_concurrent_tasks: view.load.capacity,
            cpu_percent: view.load.cpu.get(),
            memory_percent: view.load.memory.get(),
            disk_percent: view.load.disk.get(),
            version: view.version,
            os_type: view.os.kind,
            os_version: view.os.version,
            python_version: view.os.python,
            machine_arch: view.os.arch,
            capabilities: view.capabilities,
            timestamp: view.at.to_string(),
        }
    }
}
