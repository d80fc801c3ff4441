//! The door: no call gets past it whose maker is not known.
//!
//! It stands before the routing, so that no RPC can forget it, and answers before a body is read.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use gateway_core::app::{self, Recalled};
use gateway_core::domain::identity::{Caller, Credential, Presented};
use gateway_core::ports::AuthError;
use http::{Extensions, Request, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use metrics::counter;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::admission::{self, Admission};
use super::caps::Caps;
use super::connection::Connection;
use super::handoff::{Handoff, Tracked};
use super::kind::{Kind, PROTOCOL};
use super::sizes::measured;
use super::status::status;
use super::{credentials, prompt};
use crate::metrics::AUTHENTICATIONS;

/// It carries its key in its body, so its body must be read before anybody is known. It is short.
const REGISTER: &str = "/antcode.v1.GatewayService/Register";
const REGISTER_MAX_BYTES: usize = 64 * 1024;

/// Who makes a call, as the door leaves it with the request.
#[derive(Clone)]
pub(super) enum Identity {
    /// It is settled, and the call has been taken from what the worker may make.
    Known(Caller),
    /// It is settled by what the message says, and the call is yet to be taken.
    Unsettled(Presented, Admission),
}

/// What a live channel goes on with once it is open.
#[derive(Clone)]
pub(super) struct Opening {
    /// Its place among the channels of its worker.
    pub(super) place: Admission,
    /// What it was opened with.
    pub(super) presented: Presented,
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
    /// How many there may be.
    pub(super) caps: Caps,
    /// How long a registration may take to say whose it is.
    pub(super) registration_timeout: Duration,
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

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !request.uri().path().starts_with(PROTOCOL) {
            // Health and reflection are for everybody, and never limited.
            return Box::pin(self.inner.call(request));
        }
        let layer = self.layer.clone();
        // What was made ready is what must be called; its clone waits for the next call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let call = layer.calls.token();
        // By itself, as it is many times as large as what waits for an answer.
        let entered = Box::pin(layer.enter(request));
        Box::pin(async move {
            let _in_flight = call;
            // Its places are given up with it.
            match entered.await {
                Ok((request, _admission)) => inner.call(request).await.map(watched),
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

impl AccessLayer {
    /// Lets `request` in, with the identity of its maker attached; it is under way for as long as
    /// its admission is held.
    async fn enter(self, request: Request<Body>) -> Result<(Request<Body>, Admission), Status> {
        let (mut parts, mut body) = request.into_parts();
        let kind = Kind::of(parts.uri.path());
        let presented = credentials::presented(&parts, self.open);
        let presented = presented.map_err(|invalid| status(&invalid.into()))?;
        let admission = Admission::new(&self.caps, kind);
        let registers = parts.uri.path() == REGISTER;
        // Where callers are believed, one that did not say in the headers who it is may still say
        // so in its message.
        let unsettled = registers || (self.open && presented.claimed.is_none());
        let opening = (kind == Kind::Live).then(|| Opening {
            place: admission.clone(),
            presented: presented.clone(),
        });
        let identity = if unsettled {
            let queued = admission.queue(presented.peer).await;
            queued.map_err(|error| status(&error.into()))?;
            Identity::Unsettled(presented, admission.clone())
        } else {
            let known = self.known(&presented, &admission).await;
            let known = known.map_err(|error| status(&error))?;
            prove(&parts.extensions);
            Identity::Known(known)
        };
        body = if registers {
            prompt::within(self.registration_timeout, short(body))
        } else {
            measured(parts.uri.path(), body, &admission)
        };
        parts.extensions.insert(identity);
        if let Some(opening) = opening {
            parts.extensions.insert(opening);
        }
        Ok((Request::from_parts(parts, body), admission))
    }

    /// Who makes a call, and its places. Those who are known at once wait for nobody; strangers wait
    /// for strangers.
    async fn known(
        &self,
        presented: &Presented,
        admission: &Admission,
    ) -> Result<Caller, app::Error> {
        let caller = match self.access.recall(presented) {
            Recalled::Settled(caller) => caller?,
            Recalled::Genuine => {
                admission.enter()?;
                identify(&self.access, presented).await?
            }
            Recalled::Unknown => {
                // Who presents nothing is refused without a question.
                if !presented.credentials.is_empty() {
                    admission.queue(presented.peer).await?;
                }
                identify(&self.access, presented).await?
            }
        };
        admission::take_in(&self.access, &caller, admission).await?;
        Ok(caller)
    }
}

/// Notes that a call's maker has proven over its connection who it is.
pub(super) fn prove(extensions: &Extensions) {
    if let Some(connection) = extensions.get::<Connection>() {
        connection.prove();
    }
}

/// Settles who calls, and counts those whose credentials nobody looked at.
pub(super) async fn identify(
    access: &app::Access,
    presented: &Presented,
) -> Result<Caller, app::Error> {
    let told = access.identify(presented).await;
    let first = presented.credentials.first();
    let outcome = match &told {
        Err(app::Error::Throttled(_)) => "throttled",
        Err(app::Error::Auth(AuthError::Rejected)) if first.is_none() => "rejected",
        _ => return told,
    };
    let kind = first.map_or("none", Credential::kind);
    counter!(AUTHENTICATIONS, "credential" => kind, "outcome" => outcome).increment(1);
    told
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
