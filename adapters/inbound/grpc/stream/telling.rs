//! What the worker is told on its live channel.

use std::future::pending;
use std::time::Duration;

use gateway_core::app::Error;
use gateway_core::domain::control::{Command, CommandDelivery, Lane};
use gateway_core::domain::id::ReceiptId;
use gateway_core::domain::identity::Caller;
use tokio::sync::mpsc;
use tonic::Status;

use super::Session;
use crate::inbound::grpc::calls::{Calls, warn_of};
use crate::inbound::grpc::convert;
use crate::inbound::grpc::handoff::Handoff;
use crate::inbound::grpc::proto::{self, master_message};

/// Cancels that wait for the worker's word. One beyond is told again, as if no word had come.
const MAX_CANCELS: usize = 256;

/// How long the platform is listened to in one go.
const LISTEN: Duration = Duration::from_secs(30);

/// A message, and what is to be done when it is sent or lost.
pub(super) struct Outgoing {
    pub(super) message: Result<proto::MasterMessage, Status>,
    pub(super) handoff: Option<Handoff>,
}

pub(super) type Outbox = mpsc::Sender<Outgoing>;

impl Session {
    /// Tells the worker what the platform wants of it.
    pub(super) fn tell(&mut self, permit: mpsc::OwnedPermit<Outgoing>, delivery: CommandDelivery) {
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
    pub(super) fn ping(&self) {
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
pub(super) async fn next_command(
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
