//! What comes over one connection: each call with what is known of the connection, within its
//! time, and without harm to the others.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;

use super::super::connection::Connection;
use super::super::deadline::Deadline;
use super::activity::{Activity, Call};
use super::{Calls, Port};

/// Calls for everybody that do not end by themselves: on one connection at once.
const MAX_WATCHES: usize = 4;

/// That a connection is about to end.
#[derive(Clone, Default)]
pub(super) struct Leaving {
    /// Cancelled when the client is asked to end it: what goes on for ever ends now.
    pub(super) asked: CancellationToken,
    /// Cancelled just before it is cut off.
    pub(super) over: CancellationToken,
}

/// Answers what comes over one connection.
pub(super) struct Requests<S> {
    calls: S,
    known: Connection,
    activity: Arc<Activity>,
    leaving: Leaving,
    watches: Watches,
    timeout: Duration,
}

impl<S: Calls> Requests<S> {
    pub(super) fn new(
        port: &Port<S>,
        known: Connection,
        activity: Arc<Activity>,
        leaving: Leaving,
    ) -> Self {
        Self {
            calls: port.calls.clone(),
            known,
            activity,
            leaving,
            watches: Watches {
                here: Arc::new(Semaphore::new(MAX_WATCHES)),
                everywhere: port.watches.clone(),
            },
            timeout: port.limits.request_timeout,
        }
    }
}

impl<S: Calls> hyper::service::Service<Request<Incoming>> for Requests<S> {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Answer>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut held = Held::new(self.activity.begin(), &self.leaving.over);
        let path = request.uri().path();
        if never_ends(path) {
            held.watch = self.watches.begin();
            if held.watch.is_none() {
                let refused = Status::resource_exhausted("too much is watched already");
                return Box::pin(async move { Ok(held.until_the_end_of(refused.into_http())) });
            }
            held.end = self.leaving.asked.clone();
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.known.clone());
        let deadline = Deadline::of(&mut request, self.timeout);
        let served = deadline.limit(self.calls.clone().oneshot(request));
        Box::pin(async move {
            // A call that panicked leaves nothing behind: what it shared with others is whole
            // after a panic, or its lock would say so.
            let response = tokio::select! {
                biased;
                served = AssertUnwindSafe(served).catch_unwind() => match served {
                    Ok(Some(Ok(response))) => response,
                    Ok(None) => Status::deadline_exceeded("the deadline is over").into_http(),
                    Err(_panic) => failed(),
                },
                () = held.end.cancelled() => cut_off().into_http(),
            };
            Ok(held.until_the_end_of(response))
        })
    }
}

/// What is told of a panic; what it was is on stderr.
fn failed() -> Response<Body> {
    tracing::error!("a call panicked");
    Status::internal("the gateway has a fault").into_http()
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

/// What is told of a connection that is cut off.
fn cut_off() -> Status {
    Status::unavailable("the connection is closed; connect again")
}

/// What a call holds until the last of its answer was taken.
struct Held {
    _call: Call,
    watch: Option<Watch>,
    /// Cancelled when the answer has to end.
    end: CancellationToken,
}

impl Held {
    fn new(call: Call, end: &CancellationToken) -> Self {
        Self {
            _call: call,
            watch: None,
            end: end.clone(),
        }
    }

    fn until_the_end_of(self, response: Response<Body>) -> Response<Answer> {
        response.map(|body| Answer {
            body: Some(body),
            ending: None,
            held: self,
        })
    }
}

/// The body of an answer. The call lasts as long as it does.
pub(super) struct Answer {
    /// Gone once it was cut off.
    body: Option<Body>,
    /// Awaited while nothing else is there to be sent.
    ending: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    held: Held,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let Self { ending, held, .. } = &mut *self;
        let ending = ending.get_or_insert_with(|| Box::pin(held.end.clone().cancelled_owned()));
        ready!(ending.as_mut().poll(cx));
        self.body = None;
        let mut told = HeaderMap::new();
        Poll::Ready(Some(match cut_off().add_header(&mut told) {
            Ok(()) => Ok(Frame::trailers(told)),
            Err(untold) => Err(untold),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or_else(SizeHint::default, Body::size_hint)
    }
}
