use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use gateway_core::domain::Invalid;
use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::task::{DEFAULT_PROJECT_TYPE, DEFAULT_TIMEOUT, Task};
use serde_json::{Map, Value};

use super::dto;
use super::error::Refusal;
use super::journal::Peer;
use super::local::{Local, made_up};

/// `POST /api/tasks`
pub(super) async fn enqueue(
    State(local): State<Local>,
    peer: Peer,
    asked: Result<Json<dto::NewTask>, JsonRejection>,
) -> Result<(StatusCode, Json<dto::Queued>), Refusal> {
    let Json(asked) = asked?;
    let worker = WorkerId::parse(&asked.worker_id)?;
    let task = task(asked)?;
    let queued = dto::Queued {
        task_id: task.id.to_string(),
        run_id: task.run.to_string(),
        worker_id: worker.to_string(),
    };
    let done = local.master.enqueue(&worker, task).await;
    let done = done.map_err(Refusal::from);
    let subject = format!("task {} run {} for {worker}", queued.task_id, queued.run_id);
    local.note(peer, "enqueue", subject, &done);
    done?;
    tracing::debug!(%worker, task = queued.task_id, run = queued.run_id, "task queued by hand");
    Ok((StatusCode::CREATED, Json(queued)))
}

fn task(asked: dto::NewTask) -> Result<Task, Refusal> {
    let id = match TaskId::parse_optional(&asked.task_id.unwrap_or_default())? {
        Some(id) => id,
        None => TaskId::parse(&made_up("task"))?,
    };
    let run = match RunId::parse_optional(&asked.run_id.unwrap_or_default())? {
        Some(run) => run,
        None => RunId::parse(&made_up("run"))?,
    };
    let project_type = asked.project_type.filter(|text| !text.is_empty());
    Ok(Task {
        id,
        run,
        project_id: asked.project_id.unwrap_or_default(),
        project_type: project_type.unwrap_or_else(|| DEFAULT_PROJECT_TYPE.to_owned()),
        priority: asked.priority.unwrap_or_default(),
        params: texts(asked.params.unwrap_or_default()),
        environment: texts(asked.environment.unwrap_or_default()),
        timeout: asked.timeout.map_or(Ok(DEFAULT_TIMEOUT), timeout)?,
        download_url: asked.download_url.unwrap_or_default(),
        file_hash: asked.file_hash.unwrap_or_default(),
        entry_point: asked.entry_point.unwrap_or_default(),
        is_compressed: false,
    })
}

fn timeout(seconds: i64) -> Result<Duration, Invalid> {
    // Workers hold it in 32 bits.
    match u32::try_from(seconds) {
        Ok(seconds @ 1..=0x7fff_ffff) => Ok(Duration::from_secs(seconds.into())),
        _ => Err(Invalid::number(
            "timeout",
            "1 to 2147483647 seconds",
            &seconds,
        )),
    }
}

/// The values as workers take them: text as it is, anything else as its JSON text.
pub(super) fn texts(values: Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value| match value {
        Value::String(text) => text,
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => other.to_string(),
    };
    values
        .into_iter()
        .map(|(name, value)| (name, text(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use serde_json::json;

    use super::super::testing::{Port, worker};
    use super::*;

    #[tokio::test]
    async fn a_task_is_queued_with_all_that_was_said_of_it() {
        let port = Port::with_master();
        let body = json!({
            "worker_id": "worker-1", "task_id": "t", "run_id": "r", "project_id": "p",
            "project_type": "spider", "priority": -3, "timeout": 60, "download_url": "u",
            "file_hash": "h", "entry_point": "e",
            "params": {"text": "1 \"x\"", "number": 1.5, "list": [1, "a"], "none": null, "yes": true},
            "environment": {"A": {"b": "ü"}},
        });

        let (status, answer) = port.post("/api/tasks", &body).await;

        assert_eq!(status, StatusCode::CREATED);
        let queued = json!({"task_id": "t", "run_id": "r", "worker_id": "worker-1"});
        assert_eq!(answer.parse::<Value>().expect("is JSON"), queued);
        let (whose, task) = port.master.with(|books| books.tasks[0].clone());
        assert_eq!(whose, worker("worker-1"));
        let params = [
            ("list", r#"[1,"a"]"#),
            ("none", "null"),
            ("number", "1.5"),
            ("text", r#"1 "x""#),
            ("yes", "true"),
        ];
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let wanted = Task {
            run: RunId::parse("r").expect("is an identifier"),
            project_id: "p".to_owned(),
            project_type: "spider".to_owned(),
            priority: -3,
            params: params.map(pair).into(),
            environment: [pair(("A", r#"{"b":"ü"}"#))].into(),
            timeout: Duration::from_mins(1),
            download_url: "u".to_owned(),
            file_hash: "h".to_owned(),
            entry_point: "e".to_owned(),
            ..Task::new(TaskId::parse("t").expect("is an identifier"))
        };
        assert_eq!(task, wanted);
    }

    #[tokio::test]
    async fn what_is_left_out_is_made_up_or_has_its_default() {
        let port = Port::with_master();

        for body in [
            json!({"worker_id": "w"}),
            json!({"worker_id": "w", "task_id": "", "run_id": null, "project_type": ""}),
        ] {
            assert_eq!(port.post("/api/tasks", &body).await.0, StatusCode::CREATED);
        }

        let tasks = port.master.with(|books| books.tasks.clone());
        let [(_, one), (_, two)] = tasks.as_slice() else {
            panic!("two were queued");
        };
        assert!(one.id.as_str().starts_with("task-"));
        assert!(one.run.as_str().starts_with("run-"));
        assert!(one.id != two.id && one.run != two.run);
        let plain = Task {
            run: one.run.clone(),
            ..Task::new(one.id.clone())
        };
        assert_eq!(*one, plain);
    }

    #[tokio::test]
    async fn a_wrong_field_is_refused_by_its_name() {
        let port = Port::with_master();

        for (body, wanted) in [
            (json!({"worker_id": "a b"}), "worker_id: 1 to 64"),
            (json!({"worker_id": ""}), "worker_id: 1 to 64"),
            (json!({}), "missing field `worker_id`"),
            (
                json!({"worker_id": "w", "task_id": "a/b"}),
                "task_id: 1 to 64",
            ),
            (
                json!({"worker_id": "w", "run_id": "a:b"}),
                "run_id: 1 to 64",
            ),
            (
                json!({"worker_id": "w", "tiemout": 1}),
                "unknown field `tiemout`",
            ),
            (
                json!({"worker_id": "w", "timeout": 0}),
                "timeout: 1 to 2147483647 seconds (got 0)",
            ),
            (
                json!({"worker_id": "w", "timeout": 2_147_483_648_u32}),
                "timeout: 1 to",
            ),
            (
                json!({"worker_id": "w", "timeout": "60"}),
                "timeout: invalid type",
            ),
            (
                json!({"worker_id": "w", "priority": 1_u64 << 40}),
                "priority: invalid value",
            ),
            (
                json!({"worker_id": "w", "params": [1]}),
                "params: invalid type",
            ),
            (json!([]), "invalid"),
        ] {
            let (status, error) = port.refusal("/api/tasks", &body).await;
            assert_eq!(status, 400, "{body}");
            assert!(error.contains(wanted), "{body}: {error}");
        }
        port.master.with(|books| assert!(books.tasks.is_empty()));
    }

    #[tokio::test]
    async fn what_the_master_refuses_is_told_without_its_secrets() {
        let port = Port::with_master();
        let body = json!({"worker_id": "w", "run_id": "r"});

        port.master.open("r");
        let (status, error) = port.refusal("/api/tasks", &body).await;
        assert_eq!((status, error.as_str()), (409, "run r exists already"));
        port.master.with(|books| books.full = true);
        let (status, error) = port.refusal("/api/tasks", &body).await;
        assert_eq!((status, error.as_str()), (503, "no room for more tasks"));
        port.master.with(|books| books.down = true);
        let (status, error) = port.refusal("/api/tasks", &body).await;
        assert_eq!(status, 503);
        assert!(!error.contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn only_json_of_a_bearable_size_is_read() {
        let port = Port::with_master();

        for (content_type, length, status) in [
            (Some("text/plain"), 0, 415),
            (None, 0, 415),
            (Some("application/json; charset=utf-8"), 0, 201),
            (Some("application/json"), 15 << 20, 201),
            (Some("application/json"), 16 << 20, 413),
        ] {
            let body = json!({"worker_id": "w", "params": {"x": "x".repeat(length)}});
            let mut request = Request::post("/api/tasks").header("host", "[::1]:1");
            if let Some(content_type) = content_type {
                request = request.header("content-type", content_type);
            }
            let request = request.body(Body::from(body.to_string()));
            let answer = port.send(request.expect("is a request")).await;
            assert_eq!(answer.status().as_u16(), status, "{content_type:?}");
        }
    }
}
