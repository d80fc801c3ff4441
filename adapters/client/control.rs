use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use gateway_core::domain::id::RequestId;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::api::Api;
use super::{ClientError, Console, wire};

/// Something to tell workers.
#[derive(Clone, Debug)]
pub enum Control {
    /// End a run.
    Cancel(End),
    /// End a run by force.
    Kill(End),
    /// Take these settings.
    Config(Configure),
    /// Do something to the runtime, and reply.
    Runtime(Runtime),
}

/// Which run is to end, and why.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// The run.
    pub run: String,
    /// The task it is a run of, for workers that know it by that.
    pub task: Option<String>,
    /// The worker to tell; none tells the one that has the run.
    pub worker: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Which settings to take, and who.
#[derive(Clone, Debug, Default)]
pub struct Configure {
    /// The settings.
    pub settings: BTreeMap<String, String>,
    /// The worker to tell; none tells all.
    pub worker: Option<String>,
}

/// What is to be done to a runtime, and whose.
#[derive(Clone, Debug, Default)]
pub struct Runtime {
    /// What the worker is to do, in its own words.
    pub action: String,
    /// What it is to be done with.
    pub payload: Map<String, Value>,
    /// The worker to tell; none tells all.
    pub worker: Option<String>,
    /// How long to wait for the replies.
    pub wait: Duration,
}

pub(super) fn run(
    api: &Api<'_>,
    control: &Control,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let (kind, end) = match control {
        Control::Cancel(end) => ("cancel", end),
        Control::Kill(end) => ("kill", end),
        Control::Config(configure) => return self::configure(api, configure, console),
        Control::Runtime(asked) => return runtime(api, asked, console),
    };
    let body = json!({
        "control_type": kind,
        "worker_id": end.worker,
        "task_id": end.task,
        "run_id": end.run,
        "reason": end.reason,
    });
    let _: wire::Sent = api.post("/api/control", &body)?;
    console.out.line(&format!("sent: {kind} run {}", end.run))?;
    Ok(ExitCode::SUCCESS)
}

fn configure(
    api: &Api<'_>,
    asked: &Configure,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let body = json!({
        "control_type": "config_update",
        "worker_id": asked.worker,
        "config": asked.settings,
    });
    let _: wire::Sent = api.post("/api/control", &body)?;
    let whom = asked.worker.as_deref().unwrap_or("all workers");
    console
        .out
        .line(&format!("sent: new settings for {whom}"))?;
    Ok(ExitCode::SUCCESS)
}

fn runtime(
    api: &Api<'_>,
    asked: &Runtime,
    console: &mut Console<'_>,
) -> Result<ExitCode, ClientError> {
    let expected = match asked.worker {
        Some(_) => 1,
        None => present(api)?,
    };
    let body = json!({
        "control_type": "runtime_manage",
        "worker_id": asked.worker,
        "action": asked.action,
        "payload": asked.payload,
    });
    let sent: wire::Sent = api.post("/api/control", &body)?;
    let request = RequestId::parse(&sent.request_id.unwrap_or_default())?;
    let replies = replies(api, &request, expected, asked.wait)?;
    for reply in &replies {
        console.out.line(&told(reply))?;
    }
    if replies.len() < expected {
        let count = replies.len();
        let wait = asked.wait.as_secs_f64();
        let note = format!("{count} of {expected} workers replied within {wait} seconds");
        console.err.line(&note)?;
        return Ok(ExitCode::FAILURE);
    }
    let well = replies.iter().all(|reply| reply.success);
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How many workers are there to reply.
fn present(api: &Api<'_>) -> Result<usize, ClientError> {
    let wire::Workers { workers } = api.read("/api/workers")?;
    let present = workers.iter().filter(|worker| worker.status != "offline");
    match present.count() {
        0 => Err(ClientError::Refused("no worker is there to reply".into())),
        count => Ok(count),
    }
}

/// The replies to `request`, as soon as there are so many or the time is over.
fn replies(
    api: &Api<'_>,
    request: &RequestId,
    expected: usize,
    wait: Duration,
) -> Result<Vec<wire::Reply>, ClientError> {
    /// Shorter than the client's patience with an answer.
    const TURN: Duration = Duration::from_secs(10);
    let deadline = Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let turn = left.min(TURN).as_millis();
        let path = format!("/api/control/replies/{request}?wait_ms={turn}");
        let wire::Replies { replies } = api.read(&path)?;
        if replies.len() >= expected || left.is_zero() {
            return Ok(replies);
        }
        if !replies.is_empty() {
            pause();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the gateway lets one wait for the first reply, not for those after it"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}

/// A reply, in a line.
fn told(reply: &wire::Reply) -> String {
    let worker = &reply.worker_id;
    match (reply.success, &reply.data) {
        (false, _) => format!("{worker} failed: {}", reply.error),
        (true, Value::Null) => format!("{worker} did it"),
        (true, data) => format!("{worker}: {data}"),
    }
}
