use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode};
use gateway_core::domain::audit::{Action, AuditEvent};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{AuditLog, MockClock};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::FakeMaster;
use crate::inbound::Readiness;
use crate::inbound::admin::{Journal, OperatorApi, OperatorSide, router};

/// What was written down.
#[derive(Default)]
struct Notes(Mutex<Vec<Action>>);

impl AuditLog for Notes {
    fn record(&self, event: AuditEvent) {
        self.0.lock().expect("is whole").push(event.action);
    }
}

/// The port without a socket.
pub(in super::super) struct Port {
    pub(in super::super) master: Arc<FakeMaster>,
    notes: Arc<Notes>,
    pub(in super::super) readiness: Readiness,
    pub(in super::super) stop: CancellationToken,
    router: Router,
}

/// Everything that the port serves, from `side`.
pub(crate) fn routes(side: OperatorSide) -> Router {
    let metrics = Arc::new(String::new);
    router(
        Some((side, None)),
        Readiness::starting(),
        metrics,
        &CancellationToken::new(),
    )
}

impl Port {
    pub(in super::super) fn with_master() -> Self {
        Self::new(true)
    }

    pub(in super::super) fn without_master() -> Self {
        Self::new(false)
    }

    fn new(local: bool) -> Self {
        let master = Arc::new(FakeMaster::default());
        let readiness = Readiness::starting();
        let stop = CancellationToken::new();
        let notes = Arc::new(Notes::default());
        let mut clock = MockClock::new();
        clock.expect_now().return_const(Timestamp::UNIX_EPOCH);
        let journal = Journal {
            log: notes.clone(),
            clock: Arc::new(clock),
        };
        let given =
            local.then(|| -> OperatorApi { ((master.clone(), master.clone()), Some(journal)) });
        Self {
            router: router(
                given,
                readiness.clone(),
                Arc::new(|| "counted 1\n".to_owned()),
                &stop,
            ),
            master,
            notes,
            readiness,
            stop,
        }
    }

    /// What was written down of what operators did.
    pub(in super::super) fn noted(&self) -> Vec<Action> {
        self.notes.0.lock().expect("is whole").clone()
    }

    pub(in super::super) async fn get(&self, path: &str) -> (StatusCode, String) {
        text(self.open(path).await).await
    }

    /// The JSON at `path`, which is there.
    pub(in super::super) async fn read(&self, path: &str) -> Value {
        let (status, text) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).expect("is JSON")
    }

    pub(in super::super) async fn open(&self, path: &str) -> Response<Body> {
        let request = local(Method::GET, path).body(Body::empty());
        self.send(request.expect("is a request")).await
    }

    pub(in super::super) async fn post(&self, path: &str, body: &Value) -> (StatusCode, String) {
        let request = local(Method::POST, path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()));
        text(self.send(request.expect("is a request")).await).await
    }

    pub(in super::super) async fn delete(&self, path: &str) -> (StatusCode, String) {
        let request = local(Method::DELETE, path).body(Body::empty());
        text(self.send(request.expect("is a request")).await).await
    }

    /// The error that `body` earns, with its status.
    pub(in super::super) async fn refusal(&self, path: &str, body: &Value) -> (u16, String) {
        let (status, text) = self.post(path, body).await;
        (status.as_u16(), error(&text))
    }

    pub(in super::super) async fn send(&self, request: Request) -> Response<Body> {
        let answer = self.router.clone().call(request).await;
        answer.expect("a router does not fail")
    }
}

fn local(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:50052")
}

pub(in super::super) async fn text(answer: Response<Body>) -> (StatusCode, String) {
    let status = answer.status();
    let bytes = to_bytes(answer.into_body(), usize::MAX).await;
    let text = String::from_utf8(bytes.expect("arrives").into());
    (status, text.expect("is text"))
}

/// The text of a refusal.
pub(in super::super) fn error(text: &str) -> String {
    let error: Value = serde_json::from_str(text).expect("is JSON");
    error["error"].as_str().expect("has an error").to_owned()
}
