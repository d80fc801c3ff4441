//! What every call is owed: a name, an answer in time, and one though the call panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gateway_core::domain::identity::RequestId;
use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::deadline::Deadline;
use super::request_id;

/// Puts the guard before a service.
#[derive(Clone, Copy)]
pub(super) struct GuardLayer {
    /// How long a call may take.
    pub(super) timeout: Duration,
}

/// Why a call is to be refused whatever it is about, if its connection left that with it.
#[derive(Clone, Copy)]
pub(super) struct Refused(pub(super) &'static str);

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded {
            timeout: self.timeout,
            inner,
        }
    }
}

/// A service with the guard before it.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    timeout: Duration,
    inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + 'static,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let id = request_id::of(&request);
        let extensions = request.extensions_mut();
        extensions.insert(id.clone());
        if let Some(Refused(what)) = extensions.remove::<Refused>() {
            let refused = async move { Ok(Status::resource_exhausted(what).into_http()) };
            return Box::pin(request_id::serve(id, refused));
        }
        let deadline = Deadline::of(&mut request, self.timeout);
        // Begun here, so that the request is not a part of what is wrapped: each wrapper takes the
        // size of a future once more, and polls wait by the ten thousand.
        let Ok(begun) = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) else {
            return Box::pin(request_id::serve(id, async { Ok(failed()) }));
        };
        Box::pin(request_id::serve(id, async move {
            // A call that panicked leaves nothing behind: what it shared with others is whole
            // after a panic, or its lock would say so.
            match AssertUnwindSafe(deadline.limit(begun)).catch_unwind().await {
                Ok(Some(answer)) => answer,
                Ok(None) => Ok(Status::deadline_exceeded("the deadline is over").into_http()),
                Err(_panic) => Ok(failed()),
            }
        }))
    }
}

/// What is told of a panic; what it was is on stderr.
fn failed() -> Response<Body> {
    let request = request_id::current();
    tracing::error!(
        request = request.as_ref().map(RequestId::as_str),
        "a call panicked"
    );
    Status::internal("the gateway has a fault").into_http()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use metrics::with_local_recorder;
    use metrics_exporter_prometheus::PrometheusBuilder;
    use tower::{ServiceExt as _, service_fn};

    use super::super::measured::MeasureLayer;
    use super::*;
    use crate::metrics::CALLS;

    /// What a call is answered, and what it was counted as.
    fn answered(
        refused: Option<Refused>,
        serve: fn() -> BoxFuture<'static, Result<Response<Body>, Infallible>>,
    ) -> (http::HeaderMap, String) {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = "/antcode.v1.GatewayService/AckTask"
            .parse()
            .expect("is one");
        if let Some(refused) = refused {
            request.extensions_mut().insert(refused);
        }
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let answer = with_local_recorder(&recorder, || {
            let timeout = Duration::from_secs(1);
            let guarded = GuardLayer { timeout }.layer(service_fn(move |_| serve()));
            let call = MeasureLayer::new().layer(guarded).oneshot(request);
            let clock = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build();
            let Ok(answer) = clock.expect("is built").block_on(call);
            answer
        });
        let counted = handle.render();
        let counted = counted
            .lines()
            .filter(|line| line.starts_with(&format!("{CALLS}{{")) && !line.ends_with(" 0"));
        (answer.headers().clone(), counted.collect())
    }

    #[test]
    fn whatever_it_answers_has_a_name_and_is_counted_as_such() {
        let never = || Box::pin(pending()) as BoxFuture<'static, _>;
        let panics = || panic!("is a test");
        for (refused, serve, code, name) in [
            (None, never as fn() -> _, "4", "DEADLINE_EXCEEDED"),
            (None, panics, "13", "INTERNAL"),
            (Some(Refused("too many")), never, "8", "RESOURCE_EXHAUSTED"),
        ] {
            let (headers, counted) = answered(refused, serve);
            assert_eq!(headers["grpc-status"], code);
            assert!(headers.contains_key("x-request-id"), "{headers:?}");
            let expected = format!("{CALLS}{{rpc=\"AckTask\",code=\"{name}\"}} 1");
            assert_eq!(counted, expected);
        }
    }
}
