use std::sync::Arc;

use fred::types::Value;
use gateway_core::domain::audit::AuditEvent;
use gateway_core::domain::identity::RequestId;
use gateway_core::ports;
use metrics::counter;
use tokio::sync::mpsc::{self, error::TrySendError};
use tracing::warn;

use super::Shared;
use super::link::LinkError;
use crate::metrics::AUDIT_EVENTS;

/// Events that wait at the most.
const CAPACITY: usize = 8192;

/// An [`AuditLog`](ports::AuditLog) in a stream that all gateways share.
pub struct AuditStream {
    events: mpsc::Sender<AuditEvent>,
}

impl AuditStream {
    /// Begins to add to the stream, which keeps about `max` entries. It must be called on a runtime.
    pub(super) fn new(shared: Shared, max: u64) -> Self {
        let (events, waiting) = mpsc::channel(CAPACITY);
        tokio::spawn(add(shared, max, waiting));
        Self { events }
    }
}

impl ports::AuditLog for AuditStream {
    fn record(&self, event: AuditEvent) {
        if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) = self.events.try_send(event) {
            counter!(AUDIT_EVENTS, "outcome" => "stream_dropped").increment(1);
        }
    }
}

/// Adds what comes, one at a time: in the stream they are in the order in which they happened.
async fn add(shared: Shared, max: u64, mut waiting: mpsc::Receiver<AuditEvent>) {
    let mut lost = 0_u64;
    while let Some(event) = waiting.recv().await {
        if let Err(error) = attempt(&shared, max, &event).await {
            // It is in the file, or in the log, and nobody may wait for this.
            counter!(AUDIT_EVENTS, "outcome" => "stream_dropped").increment(1);
            if lost == 0 {
                warn!(%error, "audit events are missing in the stream");
            }
            lost += 1;
            continue;
        }
        counter!(AUDIT_EVENTS, "outcome" => "streamed").increment(1);
        if lost > 0 {
            warn!(lost, "audit events go to the stream again");
            lost = 0;
        }
    }
}

async fn attempt(shared: &Shared, max: u64, event: &AuditEvent) -> Result<(), LinkError> {
    let mut args: Vec<Value> = vec![shared.keys.audit().into()];
    args.extend(["MAXLEN", "~"].map(Value::from_static_str));
    args.extend([max.to_string().into(), Value::from_static_str("*")]);
    for (name, value) in fields(event) {
        args.extend([Value::from_static_str(name), value.into()]);
    }
    shared.link.write_once("XADD", args).await.map(drop)
}

fn fields(event: &AuditEvent) -> Vec<(&'static str, String)> {
    let details = event.action.details();
    let request = event.request.as_ref();
    let call = request.and_then(RequestId::call);
    let always = [
        ("at", event.at.to_string()),
        ("action", event.action.name().to_owned()),
        ("outcome", event.action.outcome().as_str().to_owned()),
    ];
    let known = [
        ("worker", event.actor.as_ref().map(ToString::to_string)),
        ("peer", event.peer.map(|peer| peer.to_string())),
        (
            "request",
            request.map(|request| request.as_str().to_owned()),
        ),
        ("call", call.map(ToOwned::to_owned)),
        ("claimed", details.claimed.map(|worker| worker.to_string())),
        ("subject", details.subject),
        ("why", details.why),
    ];
    let known = known
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    always.into_iter().chain(known).collect()
}

impl super::Backend {
    /// An audit in a stream that keeps about `max` entries.
    pub fn audit_stream(&self, max: u64) -> Arc<AuditStream> {
        Arc::new(AuditStream::new(self.shared.clone(), max))
    }
}
