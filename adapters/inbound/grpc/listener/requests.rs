//! What comes over one connection: each call with what is known of the connection, and as many of
//! those without end as may be.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::future::BoxFuture;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt as _;

use super::super::connection::Connection;
use super::super::guard::Refused;
use super::activity::{Activity, Call};
use super::drained::Drained;
use super::{Calls, Port};

/// Calls for everybody that do not end by themselves: on one connection at once.
const MAX_WATCHES: usize = 4;

const TWICE: NonZeroU32 = NonZeroU32::new(2).expect("it is above zero");

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
    /// Calls that may be made before anybody has proven who it is.
    strangers: DefaultDirectRateLimiter,
}

impl<S: Calls> Requests<S> {
    pub(super) fn new(
        port: &Port<S>,
        known: Connection,
        activity: Arc<Activity>,
        leaving: Leaving,
    ) -> Self {
        let rate = port.limits.strangers_calls_per_second;
        let burst = rate.saturating_mul(TWICE);
        Self {
            strangers: RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)),
            calls: port.calls.clone(),
            known,
            activity,
            leaving,
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
        let mut held = Held::new(self.activity.begin(), &self.leaving.over);
        let mut request = request.map(|body| Body::new(Drained::new(body)));
        if !self.known.is_proven() && self.strangers.check().is_err() {
            let refused = Refused("too many calls before one that proves who makes them");
            request.extensions_mut().insert(refused);
        }
        if never_ends(request.uri().path()) {
            held.watch = self.watches.begin();
            held.end = self.leaving.asked.clone();
            if held.watch.is_none() {
                let refused = Refused("too much is watched already");
                request.extensions_mut().insert(refused);
            }
        }
        request.extensions_mut().insert(self.known.clone());
        let served = self.calls.clone().oneshot(request);
        Box::pin(async move {
            let response = tokio::select! {
                biased;
                Ok(response) = served => response,
                () = held.end.cancelled() => cut_off().into_http(),
            };
            Ok(held.until_the_end_of(response))
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
