//! What each call does, once it is settled who makes it: convert, call the core, convert.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_core::app::{Error, Gateway};
use gateway_core::domain::Invalid;
use gateway_core::domain::control::Lane;
use gateway_core::domain::id::ReceiptId;
use gateway_core::domain::identity::Caller;
use gateway_core::domain::log::verify_checksum;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{Cause, LogError, ResultError};
use prost::Message;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Response;

use super::handoff::Handoff;
use super::{admission, convert, proto, stream};

/// From this size on, a checksum is reckoned where it holds nobody up, in bytes.
const LARGE: usize = 256 * 1024;

/// The calls, and what they need.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) gateway: Gateway,
    pub(super) stream: stream::Settings,
    /// How often a worker is to give a sign of life.
    pub(super) heartbeat_interval: Duration,
    /// Cancelled when the gateway is about to leave.
    pub(super) stop: CancellationToken,
    /// Calls in flight, live channels among them.
    pub(super) in_flight: TaskTracker,
}

/// A plain success.
macro_rules! success {
    ($response:ident) => {
        Ok(proto::$response {
            success: true,
            error: String::new(),
        })
    };
}

impl Calls {
    pub(super) async fn register(
        &self,
        caller: &Caller,
        request: proto::RegisterRequest,
    ) -> Result<proto::RegisterResponse, Error> {
        let worker = caller.worker.clone();
        let registration = convert::worker::registration(request, worker, self.now())?;
        self.gateway.workers.register(caller, &registration).await?;
        let interval = self.heartbeat_interval.as_secs();
        Ok(proto::RegisterResponse {
            success: true,
            worker_id: caller.worker.to_string(),
            error: None,
            heartbeat_interval: i32::try_from(interval).unwrap_or(i32::MAX),
        })
    }

    pub(super) async fn poll_task(
        &self,
        caller: &Caller,
        request: &proto::PollTaskRequest,
    ) -> Result<Response<proto::PollTaskResponse>, Error> {
        let wait = convert::wait(request.timeout_ms)?;
        let tasks = &self.gateway.tasks;
        let polled = tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            polled = tasks.poll(caller, wait) => polled?,
        };
        let Some(delivery) = polled else {
            return Ok(Response::new(proto::PollTaskResponse::default()));
        };
        // From here on the task goes back unless its answer is sent.
        let handoff = self.task_handoff(caller, &delivery.receipt);
        tasks.hand_over(caller, &delivery).await?;
        tracing::debug!(worker = %caller.worker, run = %delivery.task.run, "task handed out");
        Ok(handed(convert::task::polled(delivery), handoff))
    }

    pub(super) async fn ack_task(
        &self,
        caller: &Caller,
        request: proto::AckTaskRequest,
    ) -> Result<proto::AckTaskResponse, Error> {
        let (receipt, verdict) = convert::task::settlement(request)?;
        self.gateway.tasks.settle(caller, &receipt, verdict).await?;
        success!(AckTaskResponse)
    }

    pub(super) async fn report_result(
        &self,
        caller: &Caller,
        request: proto::ReportResultRequest,
    ) -> Result<proto::ReportResultResponse, Error> {
        let (worker, now) = (caller.worker.clone(), self.now());
        let size = request.data_json.len();
        let report = aside(size, move || convert::result::report(request, worker, now)).await;
        let report = report.map_err(ResultError::Unavailable)??;
        self.gateway.results.report(caller, &report).await?;
        success!(ReportResultResponse)
    }

    pub(super) async fn send_log(
        &self,
        caller: &Caller,
        request: proto::SendLogRequest,
    ) -> Result<proto::SendLogResponse, Error> {
        self.charge(caller, &request).await?;
        let entry = convert::log::entry(request);
        let lines = convert::log::lines(vec![entry], self.now())?;
        self.gateway.logs.append(caller, lines).await?;
        success!(SendLogResponse)
    }

    pub(super) async fn send_log_batch(
        &self,
        caller: &Caller,
        request: proto::SendLogBatchRequest,
    ) -> Result<proto::SendLogBatchResponse, Error> {
        self.charge(caller, &request).await?;
        let lines = convert::log::lines(request.logs, self.now())?;
        self.gateway.logs.append(caller, lines).await?;
        success!(SendLogBatchResponse)
    }

    pub(super) async fn send_log_chunk(
        &self,
        caller: &Caller,
        request: proto::SendLogChunkRequest,
    ) -> Result<proto::SendLogChunkResponse, Error> {
        self.charge(caller, &request).await?;
        let (chunk, checksum) = convert::log::chunk(request)?;
        verify(&chunk.data, checksum).await?;
        let held = self.gateway.logs.store(caller, chunk).await?;
        Ok(proto::SendLogChunkResponse {
            success: true,
            // No file is larger than an i64 counts: `Extent` refuses it.
            ack_offset: i64::try_from(held.contiguous).unwrap_or(i64::MAX),
            error: String::new(),
        })
    }

    pub(super) async fn send_heartbeat(
        &self,
        caller: &Caller,
        request: proto::SendHeartbeatRequest,
    ) -> Result<proto::SendHeartbeatResponse, Error> {
        let heartbeat = convert::worker::heartbeat(request, caller.worker.clone(), self.now())?;
        self.gateway.workers.heartbeat(caller, &heartbeat).await?;
        success!(SendHeartbeatResponse)
    }

    pub(super) async fn poll_control(
        &self,
        caller: &Caller,
        request: &proto::PollControlRequest,
    ) -> Result<Response<proto::PollControlResponse>, Error> {
        let wait = convert::wait(request.timeout_ms)?;
        let control = &self.gateway.control;
        let polled = tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            polled = control.poll(caller, wait, Lane::Poll) => polled?,
        };
        let Some(delivery) = polled else {
            return Ok(Response::new(proto::PollControlResponse::default()));
        };
        let handoff = Handoff::or_else(self.command_lost(caller, &delivery.receipt));
        Ok(handed(convert::control::polled(delivery), handoff))
    }

    pub(super) async fn ack_control(
        &self,
        caller: &Caller,
        request: &proto::AckControlRequest,
    ) -> Result<proto::AckControlResponse, Error> {
        let receipt = ReceiptId::parse(&request.receipt_id)?;
        self.gateway.control.settle(caller, &receipt).await?;
        success!(AckControlResponse)
    }

    pub(super) async fn report_control_result(
        &self,
        caller: &Caller,
        request: proto::ControlResultRequest,
    ) -> Result<proto::ControlResultResponse, Error> {
        let reply = convert::control::reply(request)?;
        self.gateway.control.reply(caller, reply).await?;
        success!(ControlResultResponse)
    }

    /// Takes what `message` weighs from the bytes of logs that `caller` may send. The door could not
    /// tell.
    async fn charge(&self, caller: &Caller, message: &impl Message) -> Result<(), Error> {
        admission::charge_logs(&self.gateway.access, caller, message.encoded_len()).await
    }

    pub(super) fn now(&self) -> Timestamp {
        self.gateway.clock.now()
    }

    fn task_handoff(&self, caller: &Caller, receipt: &ReceiptId) -> Handoff {
        let tasks = Arc::clone(&self.gateway.tasks);
        let (caller, receipt) = (caller.clone(), receipt.clone());
        let calls = self.in_flight.clone();
        Handoff::or_else(move || {
            calls.spawn(async move {
                tracing::debug!(worker = %caller.worker, %receipt, "poll abandoned; task goes back");
                let released = tasks.release(&caller, &receipt).await;
                warn_of(released, "a task did not go back at once; its lease brings it back");
            });
        })
    }

    /// What to do when a command did not reach its worker.
    pub(super) fn command_lost(
        &self,
        caller: &Caller,
        receipt: &ReceiptId,
    ) -> impl FnOnce() + Send + 'static {
        let control = Arc::clone(&self.gateway.control);
        let (caller, receipt) = (caller.clone(), receipt.clone());
        let calls = self.in_flight.clone();
        move || {
            calls.spawn(async move {
                let released = control.release(&caller, &receipt).await;
                warn_of(
                    released,
                    "a command did not go back at once; its lease brings it back",
                );
            });
        }
    }
}

/// Nobody is there to be told, so the log is.
pub(super) fn warn_of(result: Result<(), Error>, what: &str) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}

/// An answer that hands something out.
fn handed<T>(message: T, handoff: Handoff) -> Response<T> {
    let mut response = Response::new(message);
    response.extensions_mut().insert(handoff);
    response
}

async fn verify(data: &Bytes, checksum: String) -> Result<(), Error> {
    let (size, data) = (data.len(), data.clone());
    let verified = aside(size, move || verify_checksum(&data, &checksum)).await;
    Ok(verified.map_err(LogError::Unavailable)??)
}

/// Does `work` on so many bytes: of many, where no other call waits for it.
///
/// # Errors
///
/// If the runtime is shutting down.
async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Invalid> + Send + 'static,
) -> Result<Result<T, Invalid>, Cause> {
    if bytes < LARGE {
        return Ok(work());
    }
    Ok(tokio::task::spawn_blocking(work).await?)
}
