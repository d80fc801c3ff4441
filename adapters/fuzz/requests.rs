//! Whatever a client may send as the body of a call, through all that stands behind a connection.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use gateway_core::app::{Gateway, Ports};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::Patience;
use gateway_core::ports::{Clock, Master as _};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt as _};

use super::fuzz;
use crate::inbound::grpc::testing::port;
use crate::metrics::RPCS;
use crate::outbound::{SystemClock, memory};

const KEY: &str = "key-of-w-1";

/// How long a worker may stay, on a clock that runs as fast as everybody waits.
const STAY: Duration = Duration::from_hours(1);

/// The first byte of an input says which call it is, the second how it is sent; the rest is the
/// message.
struct Input<'a> {
    rpc: &'static str,
    /// Whether callers are believed.
    open: bool,
    /// Whether the rest is the body as it is, instead of a message in it.
    raw: bool,
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn of(input: &'a [u8]) -> Self {
        let (rpc, how, rest) = match input {
            [rpc, how, rest @ ..] => (*rpc, *how, rest),
            _ => (0, 0, input),
        };
        Self {
            // `health` and what comes behind it are no calls of ours.
            rpc: RPCS[usize::from(rpc) % 12],
            open: how & 1 == 1,
            raw: how & 2 == 2,
            rest,
        }
    }

    fn request(&self) -> Request<Body> {
        let mut body = BytesMut::new();
        if !self.raw {
            body.put_u8(0);
            body.put_u32(u32::try_from(self.rest.len()).expect("is short"));
        }
        body.put_slice(self.rest);
        let path = format!("/antcode.v1.GatewayService/{}", self.rpc);
        let request = Request::post(path)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let request = if self.open {
            request.header("x-worker-id", "w-1")
        } else {
            request.header("x-api-key", KEY)
        };
        let body = Full::new(body.freeze());
        request.body(Body::new(body)).expect("is a request")
    }
}

/// A gateway that keeps little, with some tasks for who asks.
fn gateway(open: bool) -> Gateway {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = memory::Settings {
        max_tasks: 100,
        max_runs: 100,
        max_workers: 10,
        log_lines_per_run: 100,
        log_bytes: 1 << 20,
        chunk_bytes: 1 << 20,
        result_bytes: 1 << 20,
        adopt_runs: true,
        ..memory::Settings::default()
    };
    let backend = memory::Backend::new(&settings, &clock);
    let worker = WorkerId::parse("w-1").expect("is an identifier");
    for name in ["t-1", "t-2", "t-3"] {
        let task = gateway_core::domain::id::TaskId::parse(name).expect("is an identifier");
        let task = gateway_core::domain::task::Task::new(task);
        let queued = pollster::block_on(backend.master.enqueue(&worker, task));
        queued.expect("is queued");
    }
    let keys = [(worker, Sha256::digest(KEY).into())];
    let keys: memory::ApiKeys = keys.into_iter().collect();
    let ports = Ports {
        attempts: Arc::new(memory::Attempts::new(u32::MAX)),
        audit_log: Arc::new(memory::AuditLog::default()),
        authenticator: if open {
            Arc::new(memory::Open)
        } else {
            Arc::new(keys)
        },
        clock,
        control_channel: backend.control_channel,
        limiter: Arc::new(memory::Unlimited),
        log_sink: backend.log_sink,
        result_store: backend.result_store,
        run_owners: backend.run_owners,
        task_queue: backend.task_queue,
        worker_registry: backend.worker_registry,
    };
    Gateway::new(&ports, Patience::default())
}

/// How a call ended: its code, and what its client is told.
async fn answered<S>(service: S, request: Request<Body>) -> (Code, String)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>,
{
    let Ok(answer) = service.oneshot(request).await;
    let (parts, body) = answer.into_parts();
    let told = |headers: &HeaderMap| {
        let status = Status::from_header_map(headers)?;
        Some((status.code(), status.message().to_owned()))
    };
    if let Some(told) = told(&parts.headers) {
        return told;
    }
    let body = timeout(STAY, body.collect())
        .await
        .expect("comes to an end");
    let body = body.expect("is whole");
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = told(&trailers).expect("has a status");
    let data: Bytes = body.to_bytes();
    assert!(data.len() < 1 << 20, "{} bytes for one call", data.len());
    status
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("is built")
}

#[test]
fn requests() {
    let runtime = runtime();
    let ports = runtime.block_on(async { [false, true].map(|open| port(gateway(open), open)) });

    fuzz("requests", |input| {
        let input = Input::of(input);
        let service = ports[usize::from(input.open)].clone();
        let (code, message) = runtime.block_on(answered(service, input.request()));
        // What cannot be read as a message is tonic's to refuse, and INTERNAL to it.
        let is_nonsense = [
            "failed to decode",
            "protocol error",
            "Unexpected EOF",
            "Missing",
        ];
        let is_nonsense = is_nonsense.iter().any(|part| message.contains(part));
        let fault = matches!(code, Code::Unknown | Code::Internal | Code::DataLoss);
        assert!(!fault || is_nonsense, "{} {code:?}: {message}", input.rpc);
        // The field that it is about, if it is about one.
        let field = message.split(':').next().map(str::to_owned);
        (input.rpc, input.open, code as i32, field)
    });
}
