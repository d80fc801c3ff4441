use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use gateway_core::domain::audit::{Action, AuditEvent};
use gateway_core::ports::{AuditLog, Clock};

use super::error::Refusal;
use super::local::Local;

/// Where it is written down what operators do.
#[derive(Clone)]
pub struct Journal {
    /// Who writes.
    pub log: Arc<dyn AuditLog>,
    /// When that is.
    pub clock: Arc<dyn Clock>,
}

/// Where a request comes from, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(info.map(|ConnectInfo(address)| address.ip())))
    }
}

impl Local {
    /// Takes down that `peer` did `what` to `subject`, and what came of it.
    pub(super) fn note<T>(
        &self,
        Peer(peer): Peer,
        what: &'static str,
        subject: String,
        outcome: &Result<T, Refusal>,
    ) {
        let Some(journal) = &self.journal else { return };
        let failure = outcome.as_ref().err();
        journal.log.record(AuditEvent {
            at: journal.clock.now(),
            actor: None,
            peer,
            request: None,
            action: Action::Administered {
                what,
                subject,
                failure: failure.map(|refusal| refusal.text().to_owned()),
            },
        });
    }
}
