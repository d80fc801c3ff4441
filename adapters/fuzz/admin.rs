//! The operator's API: the first line of an input is a method and a path, the rest the body.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, StatusCode, Uri};
use gateway_core::ports::Clock;
use http_body_util::BodyExt as _;
use tokio::runtime::Builder;
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::fuzz;
use crate::inbound::admin::testing;
use crate::outbound::{SystemClock, memory};

/// How long somebody may follow a log, on a clock that runs as fast as everybody waits.
const STAY: Duration = Duration::from_mins(10);

fn routes() -> Router {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = memory::Settings {
        max_tasks: 100,
        max_runs: 100,
        max_workers: 10,
        ..memory::Settings::default()
    };
    let backend = memory::Backend::new(&settings, &clock);
    testing::routes((backend.master, backend.dead_letters))
}

/// The request that an input is of, if HTTP allows it.
fn request(input: &[u8]) -> Option<Request> {
    let end = input.iter().position(|byte| *byte == b'\n');
    let (head, body) = input.split_at(end.unwrap_or(input.len()));
    let (method, uri) = std::str::from_utf8(head).ok()?.split_once(' ')?;
    let request = Request::builder()
        .method(method.parse::<Method>().ok()?)
        .uri(uri.parse::<Uri>().ok()?)
        .header(HOST, "localhost")
        .header(CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_vec())).ok()
}

#[test]
fn operators_requests() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("is built");
    let routes = runtime.block_on(async { routes() });

    fuzz("admin", |input| {
        let request = request(input)?;
        let api = request.uri().path().starts_with("/api/");
        let head = request.method() == Method::HEAD;
        runtime.block_on(async {
            let answer = routes.clone().oneshot(request).await;
            let answer = answer.expect("a router does not fail");
            let status = answer.status();
            assert!(
                !status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE,
                "{status}"
            );
            // Who follows a log that does not end goes away some time.
            let body = timeout(STAY, answer.into_body().collect()).await;
            let body = body.map(|body| body.expect("is whole").to_bytes());
            let told = body.unwrap_or_default();
            if api && !head && status.is_client_error() {
                let told: serde_json::Value = serde_json::from_slice(&told).expect("is JSON");
                let error = told["error"].as_str().expect("says what is wrong");
                let about = error.split(':').next().unwrap_or_default();
                return Some((status.as_u16(), about.to_owned()));
            }
            Some((status.as_u16(), String::new()))
        })
    });
}
