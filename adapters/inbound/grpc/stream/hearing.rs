//! What the worker says on its live channel.

use gateway_core::app::Error;
use gateway_core::domain::id::{TaskId, WorkerId};
use gateway_core::domain::limit::Class;
use gateway_core::ports::{LimitError, ResultError};
use tokio::time::Instant;
use tonic::Status;

use super::Session;
use crate::inbound::grpc::convert;
use crate::inbound::grpc::proto::{self, worker_message};
use crate::inbound::grpc::status::status;

impl Session {
    /// Takes in what the worker says, or holds it back while the worker says too much; whether it
    /// was taken in.
    pub(super) async fn hear(&mut self, message: proto::WorkerMessage) -> Result<bool, Status> {
        let access = &self.calls.gateway.access;
        let heard = match access.admit(&self.caller, Class::Control).await {
            Ok(()) => self.take_in(message).await,
            Err(Error::Limit(LimitError::Exceeded { retry_after, .. })) => {
                self.held = Some((message, Instant::now() + retry_after));
                return Ok(false);
            }
            Err(error) => Err(error),
        };
        heard.map(|()| true).map_err(|error| status(&error))
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
        let claimed = WorkerId::parse_optional(&heartbeat.worker_id)?;
        gateway.access.check_claim(caller, claimed.as_ref())?;
        let worker = caller.worker.clone();
        let heartbeat = convert::worker::pulse(heartbeat, worker, self.calls.now())?;
        gateway.workers.heartbeat(caller, &heartbeat).await
    }
}
