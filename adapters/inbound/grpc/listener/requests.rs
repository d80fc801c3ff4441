//! What comes over one connection: each call with what is known of the connection, and as many of
//! those without end as may be.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;

use super::super::connection::Connection;
use super::super::guard::Refused;
use super::activity::{Activity, Call};
use super::{Calls, Port};

/// Calls for everybody that do not end by themselves: on one connection at once.
const MAX_WATCHES: usize = 4;

/// Answers what comes over one connection.
pub(super) struct Requests<S> {
    calls: S,
    known: Connection,
    activity: Arc<Activity>,
    watches: Watches,
}

impl<S: Calls> Requests<S> {
    pub(super) fn new(port: &Port<S>, known: Connection, activity: Arc<Activity>) -> Self {
        Self {
            calls: port.calls.clone(),
            known,
            activity,
            watches: Watches {
                here: Arc::new(Semaphore::new(MAX_WATCHES)),
                everywhere: port.watches.clone(),
            },
        }
    }
}

impl<S: Calls> hyper::service::Service<Request<Incoming>> for Requests<S> {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Answer>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let call = self.activity.begin();
        let mut request = request.map(Body::new);
        let mut watch = None;
        if never_ends(request.uri().path()) {
            watch = self.watches.begin();
            if watch.is_none() {
                let refused = Refused("too much is watched already");
                request.extensions_mut().insert(refused);
            }
        }
        request.extensions_mut().insert(self.known.clone());
        let served = self.calls.clone().oneshot(request);
        Box::pin(async move {
            let Ok(response) = served.await;
            Ok(answer(response, call, watch))
        })
    }
}

/// Whether `path` is that of a call which anybody may make and which goes on for ever.
fn never_ends(path: &str) -> bool {
    path == "/grpc.health.v1.Health/Watch" || path.starts_with("/grpc.reflection.")
}

/// How many such calls there may be.
struct Watches {
    here: Arc<Semaphore>,
    everywhere: Arc<Semaphore>,
}

type Watch = [OwnedSemaphorePermit; 2];

impl Watches {
    fn begin(&self) -> Option<Watch> {
        let here = self.here.clone().try_acquire_owned().ok()?;
        let everywhere = self.everywhere.clone().try_acquire_owned().ok()?;
        Some([here, everywhere])
    }
}

fn answer(response: Response<Body>, call: Call, watch: Option<Watch>) -> Response<Answer> {
    response.map(|body| Answer {
        body,
        _call: call,
        _watch: watch,
    })
}

/// The body of an answer. The call lasts as long as it does.
pub(super) struct Answer {
    body: Body,
    _call: Call,
    _watch: Option<Watch>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
