use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::LogStream;

use super::dto;
use super::error::Refusal;
use super::local::Local;
use super::path::Path;

/// `GET /api/runs`
pub(super) async fn runs(State(local): State<Local>) -> Result<Json<dto::Runs>, Refusal> {
    let runs = local.master.runs().await?;
    let runs = runs.into_iter().map(dto::Run::from).collect();
    Ok(Json(dto::Runs { runs }))
}

/// `GET /api/runs/{run_id}`
pub(super) async fn run(
    State(local): State<Local>,
    Path(run): Path<String>,
) -> Result<Json<dto::Run>, Refusal> {
    let run = local.find(&RunId::parse(&run)?).await?;
    Ok(Json(run.into()))
}

/// `GET /api/runs/{run_id}/files/{stream}`
pub(super) async fn file(
    State(local): State<Local>,
    Path((run, stream)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let run = RunId::parse(&run)?;
    let stream: LogStream = stream.parse()?;
    let Some((bytes, complete)) = local.master.file(&run, stream).await? else {
        let stream = stream.as_str();
        return Err(Refusal::missing(format!("no {stream} of run {run} came")));
    };
    let headers = [
        (CONTENT_TYPE.as_str(), "application/octet-stream"),
        ("x-complete", if complete { "true" } else { "false" }),
    ];
    Ok((headers, bytes).into_response())
}

/// `GET /api/workers`
pub(super) async fn workers(State(local): State<Local>) -> Result<Json<dto::Workers>, Refusal> {
    let workers = local.master.workers().await?;
    let workers = workers.into_iter().map(dto::Worker::from).collect();
    Ok(Json(dto::Workers { workers }))
}

#[cfg(test)]
mod tests {
    use gateway_core::domain::run::RunStatus;
    use gateway_core::domain::worker::{Load, Os, Percent, WorkerStatus};
    use gateway_core::ports::WorkerView;
    use serde_json::json;

    use super::super::testing::{Port, at, worker};
    use super::*;

    #[tokio::test]
    async fn a_run_shows_what_is_known_of_it_and_no_more() {
        let port = Port::with_master();
        let run = port.master.open("r");
        let young = json!({
            "run_id": "r", "task_id": "r", "worker_id": "worker-1", "status": "pending",
            "created_at": "2026-11-22T10:00:00Z",
        });
        assert_eq!(port.read("/api/runs/r").await, young);

        port.master.end(&run, RunStatus::Failed, 3);
        let old = json!({
            "run_id": "r", "task_id": "r", "worker_id": "worker-1", "status": "failed",
            "exit_code": 3, "created_at": "2026-11-22T10:00:00Z",
            "started_at": "2026-11-22T10:00:01Z", "finished_at": "2026-11-22T10:00:03Z",
            "duration_seconds": 2.0,
        });
        assert_eq!(port.read("/api/runs/r").await, old);
        assert_eq!(port.read("/api/runs").await, json!({"runs": [old]}));
    }

    #[tokio::test]
    async fn an_unknown_run_is_not_found() {
        let port = Port::with_master();

        for path in [
            "/api/runs/r",
            "/api/runs/r/files/stdout",
            "/api/runs/r/logs",
        ] {
            assert_eq!(port.get(path).await.0.as_u16(), 404, "{path}");
        }
        for path in [
            "/api/runs/a%20b",
            "/api/runs/%ff",
            "/api/runs/r/files/stdwhat",
            "/api/runs/r/logs?form=1",
        ] {
            let (status, text) = port.get(path).await;
            assert_eq!(status.as_u16(), 400, "{path}");
            let told: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
            assert!(told["error"].is_string(), "{path}: {text}");
        }
    }

    #[tokio::test]
    async fn a_file_says_whether_it_is_complete() {
        let port = Port::with_master();
        let run = port.master.open("r");

        for complete in [false, true] {
            port.master.with(|books| {
                let file = (vec![0xff, b'\n'], complete);
                books.files.insert((run.clone(), LogStream::Stderr), file);
            });
            let answer = port.open("/api/runs/r/files/stderr").await;
            let header = |name| {
                answer
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().expect("is text"))
            };
            assert_eq!(
                header("x-complete"),
                Some(if complete { "true" } else { "false" })
            );
            assert_eq!(header("content-type"), Some("application/octet-stream"));
            let bytes = axum::body::to_bytes(answer.into_body(), 10).await;
            assert_eq!(bytes.expect("arrives"), vec![0xff, b'\n']);
        }
    }

    #[tokio::test]
    async fn workers_show_what_they_said_of_themselves() {
        let port = Port::with_master();
        let view = WorkerView {
            id: worker("w"),
            status: WorkerStatus::Busy,
            load: Load {
                cpu: Percent::nearest(12.3),
                running: 2,
                capacity: 4,
                ..Load::default()
            },
            version: "1.2".to_owned(),
            os: Os {
                kind: "Linux".to_owned(),
                ..Os::default()
            },
            capabilities: [("spider".to_owned(), "true".to_owned())].into(),
            at: at(0),
        };
        port.master.with(|books| books.workers.push(view));

        let wanted = json!({"workers": [{
            "worker_id": "w", "status": "busy", "running_tasks": 2, "max_concurrent_tasks": 4,
            "cpu_percent": 12.3, "memory_percent": 0.0, "disk_percent": 0.0, "version": "1.2",
            "os_type": "Linux", "os_version": "", "python_version": "", "machine_arch": "",
            "capabilities": {"spider": "true"}, "timestamp": "2026-11-22T10:00:00Z",
        }]});
        assert_eq!(port.read("/api/workers").await, wanted);
    }
}
