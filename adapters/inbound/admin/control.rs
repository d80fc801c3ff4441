use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use gateway_core::domain::Invalid;
use gateway_core::domain::control::{Command, Recipient};
use gateway_core::domain::id::{RequestId, RunId, TaskId, WorkerId};
use gateway_core::ports::MasterError;
use serde_json::Value;

use super::dto;
use super::error::Refusal;
use super::journal::Peer;
use super::local::{Local, made_up, unknown};
use super::path::Path;
use super::tasks::texts;

/// The longest wait for a reply. Whoever wants to wait longer asks again.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// `POST /api/control`
pub(super) async fn send(
    State(local): State<Local>,
    peer: Peer,
    asked: Result<Json<dto::Control>, JsonRejection>,
) -> Result<(StatusCode, Json<dto::Sent>), Refusal> {
    let Json(asked) = asked?;
    let (to, command) = match asked {
        dto::Control::Cancel {
            worker_id,
            task_id,
            run_id,
            reason,
        } => {
            cancel(
                &local,
                worker(worker_id.as_deref())?,
                task_id,
                run_id,
                reason,
            )
            .await?
        }
        dto::Control::ConfigUpdate { worker_id, config } => (
            anyone(worker(worker_id.as_deref())?),
            Command::Configure(texts(config)),
        ),
        dto::Control::RuntimeManage {
            worker_id,
            action,
            request_id,
            payload,
        } => {
            let payload = Value::Object(payload.unwrap_or_default()).to_string();
            (
                anyone(worker(worker_id.as_deref())?),
                runtime(action, request_id, payload)?,
            )
        }
    };
    let request_id = request(&command);
    tracing::debug!(?to, ?request_id, "control message sent by hand");
    let subject = subject(&to, &command);
    let sent = local.master.send(&to, command).await.map_err(Refusal::from);
    local.note(peer, "control", subject, &sent);
    sent?;
    Ok((StatusCode::ACCEPTED, Json(dto::Sent { request_id })))
}

/// `GET /api/control/replies/{request_id}`
pub(super) async fn replies(
    State(local): State<Local>,
    Path(request): Path<String>,
    asked: Result<Query<dto::Wait>, QueryRejection>,
) -> Result<Json<dto::Replies>, Refusal> {
    let Query(asked) = asked?;
    let request = RequestId::parse(&request)?;
    let wait = Duration::from_millis(asked.wait_ms).min(MAX_WAIT);
    let waiting = local.master.replies(&request, wait);
    let replies = local.unless_stopped(waiting).await??;
    let replies = replies.into_iter().map(dto::Answer::from).collect();
    Ok(Json(dto::Replies { replies }))
}

/// The worker that is named. A name that is there but empty is a mistake, not a wish to tell all.
fn worker(name: Option<&str>) -> Result<Option<WorkerId>, Invalid> {
    name.map(WorkerId::parse).transpose()
}

fn anyone(worker: Option<WorkerId>) -> Recipient {
    worker.map_or(Recipient::Everyone, Recipient::Worker)
}

/// A run that is named by itself is looked up, so that its worker alone is told.
async fn cancel(
    local: &Local,
    worker: Option<WorkerId>,
    task_id: Option<String>,
    run_id: Option<String>,
    reason: Option<String>,
) -> Result<(Recipient, Command), Refusal> {
    let task = TaskId::parse_optional(&task_id.unwrap_or_default())?;
    let run = RunId::parse_optional(&run_id.unwrap_or_default())?;
    let to = match (worker, &run) {
        (None, Some(run)) => Recipient::Worker(worker_of(local, run).await?),
        (worker, _) => anyone(worker),
    };
    let task = task
        .or_else(|| run.clone().map(TaskId::from))
        .ok_or_else(|| Refusal::nonsense("task_id: needed where there is no run_id"))?;
    let reason = reason.unwrap_or_default();
    Ok((to, Command::Cancel { task, run, reason }))
}

async fn worker_of(local: &Local, run: &RunId) -> Result<WorkerId, Refusal> {
    match local.master.run(run).await {
        Err(MasterError::NotKept(_)) => Err(Refusal::nonsense(
            "worker_id: needed, as it is not known here whose the run is",
        )),
        found => Ok(found?.ok_or_else(|| unknown(run))?.worker),
    }
}

fn runtime(
    action: String,
    request_id: Option<String>,
    payload: String,
) -> Result<Command, Refusal> {
    if action.is_empty() {
        return Err(Invalid::text("action", "what the worker is to do", &action).into());
    }
    let request = match RequestId::parse_optional(&request_id.unwrap_or_default())? {
        Some(request) => request,
        None => RequestId::parse(&made_up("request"))?,
    };
    Ok(Command::Runtime {
        reply_stream: format!("antcode:control:reply:{request}"),
        request,
        action,
        payload,
    })
}

/// What is said to whom, without the values, which may be secret.
fn subject(to: &Recipient, command: &Command) -> String {
    let what = match command {
        Command::Cancel { task, .. } => format!("cancel task {task}"),
        Command::Configure(settings) => {
            let names: Vec<_> = settings.keys().map(String::as_str).collect();
            format!("config {}", names.join(" "))
        }
        Command::Runtime {
            request, action, ..
        } => format!("runtime {action} request {request}"),
    };
    match to {
        Recipient::Worker(worker) => format!("{what} for {worker}"),
        Recipient::Everyone => format!("{what} for everyone"),
    }
}

fn request(command: &Command) -> Option<String> {
    match command {
        Command::Runtime { request, .. } => Some(request.to_string()),
        Command::Cancel { .. } | Command::Configure(_) => None,
    }
}

#[cfg(test)]
mod tests;
