//! The live channel: one task for each, which listens to the worker and to the platform at once.

mod held;

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use gateway_core::app::Error;
use gateway_core::domain::control::{Command, CommandDelivery, Lane};
use gateway_core::domain::id::{ReceiptId, TaskId};
use gateway_core::domain::identity::Caller;
use gateway_core::domain::limit::Class;
use gateway_core::ports::{LimitError, ResultError};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout_at};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use self::held::{Counted, Held, again};
use super::calls::{Calls, warn_of};
use super::convert;
use super::handoff::Handoff;
use super::proto::{self, master_message, worker_message};
use super::request_id;
use super::status::{self, status};

/// Messages that wait for the connection. A worker that reads slowly holds up its own commands
/// and nobody else's.
const OUTBOX: usize = 16;

/// Cancels that wait for the worker's word. One beyond is told again, as if no word had come.
const MAX_CANCELS: usize = 256;

/// How long the platform is listened to in one go.
const LISTEN: Duration = Duration::from_secs(30);

/// What the live channel goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// How often a ping goes out.
    pub(super) ping_interval: Duration,
    /// How long a worker may be silent.
    pub(super) silence: Duration,
}

/// A message, and what is to be done when it is sent or lost.
struct Outgoing {
    message: Result<proto::MasterMessage, Status>,
    handoff: Option<Handoff>,
}

type Outbox = mpsc::Sender<Outgoing>;

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
        inbox: Streaming<proto::WorkerMessage>,
    ) -> impl Stream<Item = Result<proto::MasterMessage, Status>> + Send + use<> {
        use tokio_stream::StreamExt as _;

        let (outbox, sending) = mpsc::channel(OUTBOX);
        let session = Self {
            calls: calls.clone(),
            caller,
            outbox,
            cancels: HashMap::new(),
            held: None,
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
        } = self.calls.stream;
        let mut pings = interval_at(Instant::now() + ping_interval, ping_interval);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut patience = Instant::now() + silence;
        let mut command = Box::pin(next_command(
            self.calls.clone(),
            self.caller.clone(),
            self.outbox.clone(),
        ));
        loop {
            tokio::select! {
                () = self.calls.stop.cancelled() => return Err(status::stopping()),
                () = self.outbox.closed() => return Ok(()),
                () = again(self.held.as_ref()) => {
                    if let Some((message, _)) = self.held.take() {
                        patience = Instant::now() + silence;
                        self.hear(message).await?;
                    }
                }
                message = timeout_at(patience, inbox.message()), if self.held.is_none() => match message {
                    Ok(Ok(Some(message))) => {
                        patience = Instant::now() + silence;
                        self.hear(message).await?;
                    }
                    Ok(Ok(None)) => return Ok(()),
                    Ok(Err(broken)) => return Err(broken),
                    Err(_) => return Err(Status::deadline_exceeded(format!(
                        "nothing was heard for {} s; send heartbeats", silence.as_secs_f64()
                    ))),
                },
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

    /// Takes in what the worker says, or holds it back while the worker says too much.
    async fn hear(&mut self, message: proto::WorkerMessage) -> End {
        let access = &self.calls.gateway.access;
        let heard = match access.admit(&self.caller, Class::Control).await {
            Ok(()) => self.take_in(message).await,
            Err(Error::Limit(LimitError::Exceeded { retry_after, .. })) => {
                self.held = Some((message, Instant::now() + retry_after));
                return Ok(());
            }
            Err(error) => Err(error),
        };
        heard.map_err(|error| status(&error))
    }

    async fn take_in(&mut self, message: proto::WorkerMessage) -> Result<(), Error> {
        use worker_message::Payload;

        let (gateway, caller) = (&self.calls.gateway, &self.caller);
        match message.payload {
            Some(Payload::Heartbeat(heartbeat)) => self.pulse(heartbeat).await,
            Some(Payload::TaskStatus(change)) => {
                let worker = caller.worker.clone();
                let report = convert::result::change(change, worker, self.calls.now())?;
                match gateway.results.report(caller, &report).await {
                    // The channel has no answer for one status alone, and the run is of no use
                    // to the worker any more.
                    Err(Error::Result(ResultError::UnknownRun(run))) => {
                        tracing::info!(worker = %caller.worker, %run, "status of an unknown run");
                        Ok(())
                    }
                    reported => reported.map(|_| ()),
                }
            }
            Some(Payload::TaskAck(ack)) => {
                let task = TaskId::parse(&ack.task_id)?;
                let reason = ack.reason.unwrap_or_default();
                let verdict = convert::task::verdict(ack.accepted, reason);
                gateway.tasks.settle_by_task(caller, &task, verdict).await
            }
            Some(Payload::CancelAck(ack)) => {
                let task = TaskId::parse(&ack.task_id)?;
                // One word is an answer to all that asked for the same.
                for receipt in self.cancels.remove(&task).unwrap_or_default() {
                    gateway.control.settle(caller, &receipt).await?;
                }
                Ok(())
            }
            // A message of a kind that is not known yet.
            None => Ok(()),
        }
    }

    async fn pulse(&self, heartbeat: proto::Heartbeat) -> Result<(), Error> {
        let (gateway, caller) = (&self.calls.gateway, &self.caller);
        let claimed = gateway_core::domain::id::WorkerId::parse_optional(&heartbeat.worker_id)?;
        gateway.access.check_claim(caller, claimed.as_ref())?;
        let worker = caller.worker.clone();
        let heartbeat = convert::worker::pulse(heartbeat, worker, self.calls.now())?;
        gateway.workers.heartbeat(caller, &heartbeat).await
    }

    /// Tells the worker what the platform wants of it.
    fn tell(&mut self, permit: mpsc::OwnedPermit<Outgoing>, delivery: CommandDelivery) {
        let CommandDelivery { receipt, command } = delivery;
        let lost = self.calls.command_lost(&self.caller, &receipt);
        let handoff = match &command {
            Command::Cancel { task, .. } => {
                if self.cancels.values().map(Vec::len).sum::<usize>() < MAX_CANCELS {
                    let asked = self.cancels.entry(task.clone()).or_default();
                    asked.push(receipt);
                }
                Handoff::or_else(lost)
            }
            // The worker has no way of saying that it took them: sent is settled.
            Command::Configure(_) | Command::Runtime { .. } => {
                Handoff::new(self.settled(receipt), lost)
            }
        };
        if let Some(message) = convert::control::message(command) {
            permit.send(Outgoing {
                message: Ok(message),
                handoff: Some(handoff),
            });
        }
    }

    fn settled(&self, receipt: ReceiptId) -> impl FnOnce() + Send + 'static {
        let (calls, caller) = (self.calls.clone(), self.caller.clone());
        move || {
            let in_flight = calls.in_flight.clone();
            in_flight.spawn(async move {
                let settled = calls.gateway.control.settle(&caller, &receipt).await;
                warn_of(settled, "settings that were sent may be sent again");
            });
        }
    }

    /// Pings, unless messages wait: those keep the channel open as well.
    fn ping(&self) {
        let now = self.calls.now();
        let ping = proto::Ping {
            timestamp: Some(proto::Timestamp {
                seconds: now.as_second(),
                nanos: now.subsec_nanosecond(),
            }),
        };
        let message = proto::MasterMessage {
            payload: Some(master_message::Payload::Ping(ping)),
        };
        let _crowded = self.outbox.try_send(Outgoing {
            message: Ok(message),
            handoff: None,
        });
    }
}

/// The next command, and a place for it in the outbox: nothing is taken that could not be sent.
async fn next_command(
    calls: Calls,
    caller: Caller,
    outbox: Outbox,
) -> Result<(mpsc::OwnedPermit<Outgoing>, CommandDelivery), Error> {
    let Ok(permit) = outbox.reserve_owned().await else {
        // The worker has gone, and the session is about to notice.
        return pending().await;
    };
    loop {
        let polled = calls
            .gateway
            .control
            .poll(&caller, LISTEN, Lane::Stream)
            .await?;
        if let Some(delivery) = polled {
            return Ok((permit, delivery));
        }
    }
}
