//! Counts calls by their answers, and measures how long each took. It stands before all else, so
//! that what is turned away, takes too long or panics is counted as what its client is told.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use metrics::{Counter, Histogram, counter, histogram};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::metrics::{CALL_SECONDS, CALLS, CODES, RPCS};

const PROTOCOL: &str = "/antcode.v1.GatewayService/";
const STATUS: &str = "grpc-status";

/// Counts the calls of a service.
#[derive(Clone)]
pub(super) struct MeasureLayer(Arc<[Rpc]>);

/// What is known of the calls of one name, in the order of [`RPCS`].
struct Rpc {
    seconds: Histogram,
    /// In the order of [`CODES`].
    answered: Vec<Counter>,
}

impl MeasureLayer {
    pub(super) fn new() -> Self {
        let rpc = |rpc: &&'static str| {
            let answered = CODES.iter();
            let answered = answered.map(|code| counter!(CALLS, "rpc" => *rpc, "code" => *code));
            Rpc {
                seconds: histogram!(CALL_SECONDS, "rpc" => *rpc),
                answered: answered.collect(),
            }
        };
        Self(RPCS.iter().map(rpc).collect())
    }

    fn begin(&self, path: &str) -> Call {
        Call {
            rpcs: self.0.clone(),
            rpc: index(path),
            began: Instant::now(),
            code: Code::Cancelled,
        }
    }
}

impl<S> Layer<S> for MeasureLayer {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured {
            layer: self.clone(),
            inner,
        }
    }
}

/// A service whose calls are counted.
#[derive(Clone)]
pub(super) struct Measured<S> {
    layer: MeasureLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Measured<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let call = self.layer.begin(request.uri().path());
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(call.follow(answer.await?)) })
    }
}

/// One call. It is counted when it is dropped: as cancelled, unless its code is known by then.
struct Call {
    rpcs: Arc<[Rpc]>,
    rpc: usize,
    began: Instant,
    code: Code,
}

impl Call {
    /// Stays with `answer` until its code is known.
    fn follow(mut self, answer: Response<Body>) -> Response<Body> {
        if let Some(code) = code(answer.headers()) {
            self.code = code;
            return answer;
        }
        answer.map(|inner| Body::new(Followed { inner, call: self }))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Whatever `index` tells is within.
        let Some(rpc) = self.rpcs.get(self.rpc) else {
            return;
        };
        rpc.seconds.record(self.began.elapsed());
        if let Some(answered) = rpc.answered.get(self.code as usize) {
            answered.increment(1);
        }
    }
}

/// An answer whose code comes at its end.
struct Followed {
    inner: Body,
    call: Call,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code) {
                    self.call.code = code;
                }
            }
            Some(Err(status)) => self.call.code = status.code(),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    let value = headers.get(STATUS)?;
    Some(Code::from_bytes(value.as_bytes()))
}

/// Which of [`RPCS`] a path asks for.
fn index(path: &str) -> usize {
    let name = match path.strip_prefix(PROTOCOL) {
        // No call of the protocol begins with a small letter.
        Some(call) if call.starts_with(char::is_uppercase) => call,
        None if path.starts_with("/grpc.health.") => "health",
        None if path.starts_with("/grpc.reflection.") => "reflection",
        Some(_) | None => "other",
    };
    let found = RPCS.iter().position(|rpc| *rpc == name);
    // The last of them is for the others.
    found.unwrap_or(RPCS.len() - 1)
}

#[cfg(test)]
mod tests;
