//! The door: no call gets past it whose maker is not known.
//!
//! It stands before the routing, so that no RPC can forget it, and answers before a body is read.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use gateway_core::app;
use gateway_core::domain::identity::{Caller, Presented};
use gateway_core::domain::limit::Class;
use http::{Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::handoff::{Handoff, Tracked};
use super::status::status;
use super::{credentials, deadline, request_id};

const PROTOCOL: &str = "/antcode.v1.GatewayService/";

/// It carries its key in its body, so its body must be read before anybody is known. It is short.
const REGISTER: &str = "/antcode.v1.GatewayService/Register";
const REGISTER_MAX_BYTES: usize = 64 * 1024;

/// Who makes a call, as the door leaves it with the request.
#[derive(Clone)]
pub(super) enum Identity {
    /// It is settled, and the call has been taken from what the worker may make.
    Known(Caller),
    /// It is settled by what the message says, and the call is yet to be taken.
    Unsettled(Presented, Class),
}

/// Puts the door before a service.
#[derive(Clone)]
pub(super) struct AccessLayer {
    /// The use case that decides.
    pub(super) access: Arc<app::Access>,
    /// Whether callers are believed.
    pub(super) open: bool,
    /// Where calls in flight are counted.
    pub(super) calls: TaskTracker,
}

impl<S> Layer<S> for AccessLayer {
    type Service = Door<S>;

    fn layer(&self, inner: S) -> Door<S> {
        Door {
            layer: self.clone(),
            inner,
        }
    }
}

/// A service with the door before it.
#[derive(Clone)]
pub(super) struct Door<S> {
    layer: AccessLayer,
    inner: S,
}

impl<S> Service<Request<Body>> for Door<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if !request.uri().path().starts_with(PROTOCOL) {
            // Health and reflection are for everybody, and never limited.
            return Box::pin(self.inner.call(request));
        }
        let layer = self.layer.clone();
        // What was made ready is what must be called; its clone waits for the next call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let call = layer.calls.token();
        let id = request_id::of(&request);
        request.extensions_mut().insert(id.clone());
        Box::pin(request_id::serve(id, async move {
            let _in_flight = call;
            let deadline = deadline::of(request.headers());
            let served = async {
                match layer.enter(request).await {
                    Ok(request) => inner.call(request).await.map(watched),
                    Err(status) => Ok(status.into_http()),
                }
            };
            let Some(deadline) = deadline else {
                return served.await;
            };
            let overdue = |_| Ok(Status::deadline_exceeded("the deadline is over").into_http());
            timeout(deadline, served).await.unwrap_or_else(overdue)
        }))
    }
}

impl AccessLayer {
    /// Lets `request` in, with the identity of its maker attached.
    async fn enter(&self, request: Request<Body>) -> Result<Request<Body>, Status> {
        let (mut parts, mut body) = request.into_parts();
        let presented = credentials::presented(&parts, self.open);
        let presented = presented.map_err(|invalid| status(&invalid.into()))?;
        let registers = parts.uri.path() == REGISTER;
        if registers {
            body = short(body);
        }
        // Where callers are believed, one that did not say in the headers who it is may still say
        // so in its message.
        let unsettled = registers || (self.open && presented.claimed.is_none());
        let identity = if unsettled {
            Identity::Unsettled(presented, class(parts.uri.path()))
        } else {
            Identity::Known(
                self.known(&presented, class(parts.uri.path()))
                    .await
                    .map_err(|error| status(&error))?,
            )
        };
        parts.extensions.insert(identity);
        Ok(Request::from_parts(parts, body))
    }

    async fn known(&self, presented: &Presented, class: Class) -> Result<Caller, app::Error> {
        let caller = self.access.identify(presented).await?;
        self.access.admit(&caller, class).await?;
        Ok(caller)
    }
}

/// What a call is for.
pub(super) fn class(path: &str) -> Class {
    match path.strip_prefix(PROTOCOL) {
        Some("PollTask" | "PollControl") => Class::Poll,
        Some("SendLog" | "SendLogBatch" | "SendLogChunk") => Class::Log,
        _ => Class::Control,
    }
}

/// A body that ends in an error where it grows too long.
fn short(body: Body) -> Body {
    Body::new(Limited::new(body, REGISTER_MAX_BYTES).map_err(|error| {
        match error.downcast::<LengthLimitError>() {
            Ok(_) => Status::new(
                Code::ResourceExhausted,
                format!("a registration has at most {REGISTER_MAX_BYTES} bytes"),
            ),
            Err(error) => Status::from_error(error),
        }
    }))
}

/// Puts the answer's handoff, if it has one, where it learns what becomes of the answer.
fn watched(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let body = match parts.extensions.remove::<Handoff>() {
        Some(handoff) => Tracked::wrap(body, handoff),
        None => body,
    };
    Response::from_parts(parts, body)
}
