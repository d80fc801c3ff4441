//! The live channel: one task for each, which listens to the worker and to the platform at once.

mod hearing;
mod held;
mod standing;
mod telling;

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use gateway_core::domain::id::{ReceiptId, TaskId};
use gateway_core::domain::identity::{Caller, Presented};
use gateway_core::ports::LimitError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use self::held::{Counted, Held, again};
use self::standing::revoked;
use self::telling::{Outbox, Outgoing, next_command};
use super::access::Opening;
use super::admission::Admission;
use super::calls::Calls;
use super::status::{self, status};
use super::{proto, request_id};

/// Messages that wait for the connection. A worker that reads slowly holds up its own commands
/// and nobody else's.
const OUTBOX: usize = 16;

/// What the live channel goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// How often a ping goes out.
    pub(super) ping_interval: Duration,
    /// How long a worker may be silent.
    pub(super) silence: Duration,
    /// How often it is asked whether the worker is still let in.
    pub(super) renewal: Duration,
}

/// One live channel.
pub(super) struct Session {
    calls: Calls,
    caller: Caller,
    outbox: Outbox,
    /// Cancels that the worker has not answered yet.
    cancels: HashMap<TaskId, Vec<ReceiptId>>,
    /// What came too soon, and when it is tried again. Until then nothing more is read, so that the
    /// worker is slowed down by HTTP/2 itself.
    held: Option<Held>,
    /// What it was opened with, and its place among the worker's channels.
    presented: Presented,
    _place: Option<Admission>,
    _counted: Counted,
}

/// Why a channel ends, if not because the worker closed it.
type End = Result<(), Status>;

impl Session {
    /// Starts a task that serves the channel until either side closes it; what it returns goes to
    /// the worker.
    pub(super) fn start(
        calls: &Calls,
        caller: Caller,
        opening: Option<Opening>,
        inbox: Streaming<proto::WorkerMessage>,
    ) -> impl Stream<Item = Result<proto::MasterMessage, Status>> + Send + use<> {
        use tokio_stream::StreamExt as _;

        let (outbox, sending) = mpsc::channel(OUTBOX);
        let (presented, place) = opening.map(|it| (it.presented, it.place)).unzip();
        let session = Self {
            calls: calls.clone(),
            caller,
            outbox,
            cancels: HashMap::new(),
            held: None,
            presented: presented.unwrap_or_default(),
            _place: place,
            _counted: Counted::new(),
        };
        let request = session.caller.request.clone();
        let served = request_id::within(request, session.serve(inbox));
        calls.in_flight.spawn(served);
        ReceiverStream::new(sending).map(|outgoing: Outgoing| {
            if let Some(handoff) = outgoing.handoff {
                handoff.sent();
            }
            outgoing.message
        })
    }

    async fn serve(mut self, inbox: Streaming<proto::WorkerMessage>) {
        let worker = self.caller.worker.clone();
        tracing::debug!(%worker, "live channel opened");
        let end = self.converse(inbox).await;
        if let Err(mut status) = end {
            request_id::put(&mut status);
            tracing::debug!(%worker, code = ?status.code(), reason = status.message(), "live channel ended");
            let last = Outgoing {
                message: Err(status),
                handoff: None,
            };
            // If the worker has gone, nobody is left to be told.
            let _told = self.outbox.try_send(last);
        } else {
            tracing::debug!(%worker, "live channel closed by the worker");
        }
    }

    async fn converse(&mut self, mut inbox: Streaming<proto::WorkerMessage>) -> End {
        let Settings {
            ping_interval,
            silence,
            renewal,
        } = self.calls.stream;
        let mut pings = interval_at(Instant::now() + ping_interval, ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut patience = Instant::now() + silence;
        let mut command = Box::pin(next_command(
            self.calls.clone(),
            self.caller.clone(),
            self.outbox.clone(),
        ));
        let (access, caller) = (self.calls.gateway.access.clone(), self.caller.clone());
        let presented = std::mem::take(&mut self.presented);
        let mut revoked = pin!(revoked(&access, &caller, presented, renewal));
        loop {
            tokio::select! {
                () = self.calls.stop.cancelled() => return Err(status::stopping()),
                () = self.outbox.closed() => return Ok(()),
                rejected = revoked.as_mut() => return Err(rejected),
                () = sleep_until(patience) => return Err(self.out_of_patience()),
                () = again(self.held.as_ref()) => {
                    // One that is held back once more is no news of the worker.
                    if let Some((message, _)) = self.held.take() && self.hear(message).await? {
                        patience = Instant::now() + silence;
                    }
                }
                message = inbox.message(), if self.held.is_none() => {
                    let Some(message) = message? else {
                        return Ok(());
                    };
                    patience = Instant::now() + silence;
                    self.hear(message).await?;
                }
                next = &mut command => {
                    let (permit, delivery) = next.map_err(|error| status(&error))?;
                    self.tell(permit, delivery);
                    command.set(next_command(
                        self.calls.clone(),
                        self.caller.clone(),
                        self.outbox.clone(),
                    ));
                }
                _ = pings.tick() => self.ping(),
            }
        }
    }

    /// What is told to a worker that was silent for too long, or said too much all that time.
    fn out_of_patience(&self) -> Status {
        match &self.held {
            None => Status::deadline_exceeded(format!(
                "nothing was heard for {} s; send heartbeats",
                self.calls.stream.silence.as_secs_f64()
            )),
            Some((_, at)) => {
                let retry_after = at.saturating_duration_since(Instant::now());
                let full_after = retry_after;
                status(
                    &LimitError::Exceeded {
                        retry_after,
                        full_after,
                    }
                    .into(),
                )
            }
        }
    }
}
