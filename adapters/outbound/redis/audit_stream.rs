use std::sync::Arc;
use std::time::Duration;

use fred::types::Value;
use gateway_core::domain::audit::AuditEvent;
use gateway_core::domain::identity::RequestId;
use gateway_core::ports;
use metrics::counter;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Shared;
use super::link::LinkError;
use crate::metrics::AUDIT_EVENTS;

/// Events that wait at the most.
const CAPACITY: usize = 8192;

/// How long the end waits for what is to be added yet.
const FAREWELL: Duration = Duration::from_secs(5);

/// An [`AuditLog`](ports::AuditLog) in a stream that all gateways share.
pub struct AuditStream {
    events: mpsc::Sender<AuditEvent>,
    ending: CancellationToken,
    ended: CancellationToken,
}

impl AuditStream {
    /// Begins to add to the stream, which keeps about `max` entries. It must be called on a runtime.
    pub(super) fn new(shared: Shared, max: u64) -> Self {
        let (events, waiting) = mpsc::channel(CAPACITY);
        let (ending, ended) = (CancellationToken::new(), CancellationToken::new());
        let adding = Adding {
            shared,
            max,
            waiting,
            lost: 0,
        };
        let (asked, done) = (ending.clone(), ended.clone().drop_guard());
        tokio::spawn(async move {
            let _done = done;
            adding.run(asked).await;
        });
        Self {
            events,
            ending,
            ended,
        }
    }

    /// Adds what waits, and ends; what is left after a while is counted as dropped.
    pub async fn close(&self) {
        self.ending.cancel();
        self.ended.cancelled().await;
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
struct Adding {
    shared: Shared,
    max: u64,
    waiting: mpsc::Receiver<AuditEvent>,
    /// Events that were lost since one was added.
    lost: u64,
}

impl Adding {
    async fn run(mut self, ending: CancellationToken) {
        let overdue = async {
            ending.cancelled().await;
            sleep(FAREWELL).await;
        };
        tokio::select! {
            () = self.add_all(&ending) => {}
            () = overdue => {}
        }
        self.waiting.close();
        let left = self.waiting.len() as u64;
        counter!(AUDIT_EVENTS, "outcome" => "stream_dropped").increment(left);
        let lost = self.lost + left;
        if lost > 0 {
            warn!(lost, "audit events are missing at the end of the stream");
        }
    }

    /// Adds what comes until the end, and what has come by then.
    async fn add_all(&mut self, ending: &CancellationToken) {
        loop {
            let next = tokio::select! {
                next = self.waiting.recv() => next,
                () = ending.cancelled(), if !self.waiting.is_closed() => {
                    self.waiting.close();
                    continue;
                }
            };
            let Some(event) = next else { return };
            let added = self.add(&event).await;
            self.tell(added);
        }
    }

    async fn add(&self, event: &AuditEvent) -> Result<(), LinkError> {
        let mut args: Vec<Value> = vec![self.shared.keys.audit().into()];
        args.extend(["MAXLEN", "~"].map(Value::from_static_str));
        args.extend([self.max.to_string().into(), Value::from_static_str("*")]);
        for (name, value) in fields(event) {
            args.extend([Value::from_static_str(name), value.into()]);
        }
        self.shared.link.write_once("XADD", args).await.map(drop)
    }

    /// Counts an event, and says when they begin to be lost and when they no longer are.
    fn tell(&mut self, added: Result<(), LinkError>) {
        let Err(error) = added else {
            counter!(AUDIT_EVENTS, "outcome" => "streamed").increment(1);
            let lost = std::mem::take(&mut self.lost);
            if lost > 0 {
                warn!(lost, "audit events go to the stream again");
            }
            return;
        };
        // It is in the file, or in the log, and nobody may wait for this.
        counter!(AUDIT_EVENTS, "outcome" => "stream_dropped").increment(1);
        if self.lost == 0 {
            warn!(%error, "audit events are missing in the stream");
        }
        self.lost += 1;
    }
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
        ("times", details.times.map(|times| times.to_string())),
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
