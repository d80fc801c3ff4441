//! The operator's HTTP port: probes and metrics everywhere, and the operator's API where it is asked
//! for.
//!
//! Nobody proves who they are here. Whoever gives it a [`Master`] keeps it on a loopback address;
//! the port itself keeps out the web pages that a browser on this machine may have open.

mod control;
#[expect(clippy::struct_field_names, reason = "the names are those on the wire")]
mod dto;
mod error;
mod guard;
mod journal;
mod lines;
mod local;
mod path;
mod queue;
mod tasks;
#[cfg(test)]
pub(crate) mod testing;
mod views;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::middleware;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use gateway_core::ports::{DeadLetters, Master};
use tokio::net::TcpListener;
use tokio::time;
use tokio_util::sync::CancellationToken;

pub use self::journal::Journal;

use self::error::Refusal;
use self::local::Local;

use super::Readiness;

/// What the operator's API is served from.
pub type OperatorSide = (Arc<dyn Master>, Arc<dyn DeadLetters>);

/// Tells what was counted, in Prometheus' text format.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;
/// The operator's API: what it is served from, and where it is written down what is done.
pub type OperatorApi = (OperatorSide, Option<Journal>);

/// The largest request, in bytes.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// How long a client that reads slowly, or not at all, may hold up the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves on `listener` until `shutdown`.
///
/// Probes and `metrics` are always there, those of [`api`] only with an `api`. At the end whoever
/// follows a log is sent away; a second later, at the latest, this returns.
///
/// # Errors
///
/// Whatever befalls the listener.
pub async fn serve(
    listener: TcpListener,
    api: Option<OperatorApi>,
    readiness: Readiness,
    metrics: Metrics,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let stop = CancellationToken::new();
    // A log line that is followed shall not wait for the next one to fill a packet. If it has to,
    // it comes late: no reason to refuse the connection.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let router = router(api, readiness, metrics, &stop);
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .into_future();
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => return served,
        () = shutdown => {}
    }
    stop.cancel();
    time::timeout(FAREWELL, serving).await.unwrap_or(Ok(()))
}

/// The routes under `/api`, which answer those who ask for a loopback host.
///
/// Once `stop` is cancelled, whoever waits for something, or follows a log, is sent away.
pub fn api(((master, dead_letters), journal): OperatorApi, stop: CancellationToken) -> Router {
    let local = Local {
        master,
        dead_letters,
        journal,
        stop,
    };
    Router::new().nest("/api", routes(local))
}

fn router(
    served: Option<OperatorApi>,
    ready: Readiness,
    metrics: Metrics,
    stop: &CancellationToken,
) -> Router {
    let probes = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .with_state(ready)
        .route("/metrics", get(async move || ([TEXT_FORMAT], metrics())));
    let api = if let Some(served) = served {
        api(served, stop.clone())
    } else {
        let none = Router::new().fallback(async || Refusal::missing(NO_MASTER));
        Router::new().nest("/api", none)
    };
    probes
        .merge(api)
        .fallback(async || Refusal::missing(NO_ROUTE))
}

const TEXT_FORMAT: (HeaderName, &str) = (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");

const NO_MASTER: &str = "no local Master here: it takes a loopback ADMIN_HOST, and ADMIN_API=true where that is not the default";
const NO_ROUTE: &str = "there is nothing of this name here";

fn routes(local: Local) -> Router {
    Router::new()
        .route("/tasks", post(tasks::enqueue))
        .route("/control", post(control::send))
        .route("/control/replies/{request_id}", get(control::replies))
        .route("/runs", get(views::runs))
        .route("/runs/{run_id}", get(views::run))
        .route("/runs/{run_id}/logs", get(lines::lines))
        .route("/runs/{run_id}/files/{stream}", get(views::file))
        .route("/workers", get(views::workers))
        .route("/queue", get(queue::queue))
        .route("/dead", get(queue::list))
        .route("/dead/{id}", get(queue::show).delete(queue::discard))
        .route("/dead/{id}/requeue", post(queue::requeue))
        .fallback(async || Refusal::missing(NO_ROUTE))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "it does not do that")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(guard::loopback_only))
        .with_state(local)
}

async fn readyz(State(readiness): State<Readiness>) -> (StatusCode, String) {
    match readiness.obstacle() {
        None => match readiness.trouble() {
            trouble if trouble.is_empty() => (StatusCode::OK, "ready".to_owned()),
            trouble => (StatusCode::OK, format!("ready; {trouble}")),
        },
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use serde_json::json;

    use super::testing::{Port, error, text};
    use super::*;

    #[tokio::test]
    async fn probes_are_there_without_a_master_and_under_any_name() {
        let port = Port::without_master();

        let request = Request::get("/healthz").header("host", "gateway.example.org");
        let answer = port.send(request.body(Body::empty()).expect("is a request"));
        assert_eq!(text(answer.await).await, (StatusCode::OK, "ok".to_owned()));

        let (status, reason) = port.get("/readyz").await;
        assert_eq!((status.as_u16(), reason.as_str()), (503, "starting"));
        port.readiness.ready();
        assert_eq!(port.get("/readyz").await.1, "ready");
        port.readiness.ready_in_spite_of("x is away".to_owned());
        let (status, told) = port.get("/readyz").await;
        assert_eq!((status.as_u16(), told.as_str()), (200, "ready; x is away"));
        port.readiness.not_ready("draining");
        let (status, reason) = port.get("/readyz").await;
        assert_eq!((status.as_u16(), reason.as_str()), (503, "draining"));
    }

    #[tokio::test]
    async fn metrics_are_text_of_the_version_that_is_asked_for() {
        let answer = Port::without_master().open("/metrics").await;

        let format = answer.headers()[CONTENT_TYPE].to_str().expect("is text");
        assert_eq!(format, "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(
            text(answer).await,
            (StatusCode::OK, "counted 1\n".to_owned())
        );
    }

    #[tokio::test]
    async fn without_a_master_its_routes_say_so() {
        let port = Port::without_master();

        let (status, text) = port.post("/api/tasks", &json!({"worker_id": "w"})).await;
        assert_eq!((status.as_u16(), error(&text)), (404, NO_MASTER.to_owned()));
    }

    #[tokio::test]
    async fn a_request_for_another_host_does_nothing() {
        let port = Port::with_master();

        for (method, path) in [
            ("POST", "/api/tasks"),
            ("GET", "/api/runs"),
            ("GET", "/api/x"),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", "example.org")
                .header("content-type", "application/json")
                .body(Body::from(r#"{"worker_id": "w"}"#));
            let answer = port.send(request.expect("is a request")).await;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        }
        port.master.with(|books| assert!(books.tasks.is_empty()));
    }

    #[tokio::test]
    async fn what_is_not_there_is_an_error_in_json() {
        let port = Port::with_master();

        for (path, status) in [("/api/x", 404), ("/x", 404), ("/api/tasks", 405)] {
            let (found, text) = port.get(path).await;
            assert_eq!(found.as_u16(), status, "{path}");
            assert!(!error(&text).is_empty(), "{path}");
        }
    }
}
