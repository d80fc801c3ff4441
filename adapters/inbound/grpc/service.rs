//! The calls of the protocol: each settles who makes it, and leaves the rest to `calls`.

use std::pin::Pin;

use gateway_core::app::Error;
use gateway_core::domain::Invalid;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Caller, Credential, Presented};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::access::{Identity, Opening, identify, prove};
use super::admission;
use super::calls::Calls;
use super::deadline::Allowance;
use super::proto::gateway_service_server::GatewayService;
use super::status::status;
use super::stream::Session;
use super::{convert, credentials, proto};

type Answer<T> = Result<Response<T>, Status>;

/// The twelve calls.
pub(super) struct Service {
    pub(super) calls: Calls,
    /// Whether callers are believed.
    pub(super) open: bool,
}

impl Service {
    /// Settles who makes a call; `claimed` is the worker that its message says it is from.
    async fn enter<T>(
        &self,
        request: Request<T>,
        claimed: impl Fn(&T) -> &str,
    ) -> Result<(Caller, T), Status> {
        let (_, extensions, message) = request.into_parts();
        let claimed = WorkerId::parse_optional(claimed(&message));
        let caller = match claimed {
            Ok(claimed) => self.caller(extensions.get::<Identity>(), claimed).await,
            Err(invalid) => Err(invalid.into()),
        };
        let caller = caller.map_err(|error| status(&error))?;
        prove(&extensions);
        Ok((caller, message))
    }

    async fn caller(
        &self,
        identity: Option<&Identity>,
        claimed: Option<WorkerId>,
    ) -> Result<Caller, Error> {
        let access = &self.calls.gateway.access;
        match identity {
            Some(Identity::Known(caller)) => {
                access.check_claim(caller, claimed.as_ref())?;
                Ok(caller.clone())
            }
            Some(Identity::Unsettled(presented, admission)) => {
                // What is rare stays out of what every call takes in memory.
                let caller = Box::pin(self.identify(presented, claimed)).await?;
                admission::take_in(access, &caller, admission).await?;
                Ok(caller)
            }
            // The door attaches an identity to every call; without one nobody is anybody.
            None => Box::pin(identify(access, &Presented::default())).await,
        }
    }

    /// Settles who makes a call that only its message tells.
    async fn identify(
        &self,
        presented: &Presented,
        claimed: Option<WorkerId>,
    ) -> Result<Caller, Error> {
        let access = &self.calls.gateway.access;
        let mut presented = presented.clone();
        if self.open {
            let claim = claimed.clone().or_else(|| presented.claimed.clone());
            let Some(claim) = claim else {
                let rule = "given here or in x-worker-id, as authentication is off";
                return Err(Invalid::text("worker_id", rule, "").into());
            };
            presented.credentials = vec![Credential::Claim(claim)];
        }
        let caller = identify(access, &presented).await?;
        access.check_claim(&caller, claimed.as_ref())?;
        Ok(caller)
    }

    /// Settles who registers: the key in the message is one credential more, and the first to be
    /// tried.
    async fn registrant(
        &self,
        request: Request<proto::RegisterRequest>,
    ) -> Result<(Caller, proto::RegisterRequest), Status> {
        let (metadata, mut extensions, message) = request.into_parts();
        if let Some(Identity::Unsettled(presented, _)) = extensions.get_mut::<Identity>()
            && !message.api_key.is_empty()
        {
            credentials::put_first(presented, &message.api_key);
        }
        let request = Request::from_parts(metadata, extensions, message);
        self.enter(request, |message| &message.worker_id).await
    }
}

/// The answer to a call, whichever way it ended.
fn answer<T>(result: Result<T, Error>) -> Answer<T> {
    match result {
        Ok(message) => Ok(Response::new(message)),
        Err(error) => Err(status(&error)),
    }
}

/// Lets a poll take as much longer as it is to wait.
fn grant(allowance: Option<Allowance>, timeout_ms: i32) {
    if let (Some(allowance), Ok(wait)) = (allowance, convert::wait(timeout_ms)) {
        allowance.grant(wait);
    }
}

#[tonic::async_trait]
impl GatewayService for Service {
    type WorkerStreamStream =
        Pin<Box<dyn Stream<Item = Result<proto::MasterMessage, Status>> + Send>>;

    async fn worker_stream(
        &self,
        request: Request<Streaming<proto::WorkerMessage>>,
    ) -> Answer<Self::WorkerStreamStream> {
        let opening = request.extensions().get::<Opening>().cloned();
        let (caller, inbox) = self.enter(request, |_| "").await?;
        let out = Session::start(&self.calls, caller, opening, inbox);
        Ok(Response::new(Box::pin(out)))
    }

    async fn register(
        &self,
        request: Request<proto::RegisterRequest>,
    ) -> Answer<proto::RegisterResponse> {
        let (caller, message) = self.registrant(request).await?;
        answer(self.calls.register(&caller, message).await)
    }

    async fn poll_task(
        &self,
        request: Request<proto::PollTaskRequest>,
    ) -> Answer<proto::PollTaskResponse> {
        let allowance = request.extensions().get::<Allowance>().cloned();
        let (caller, message) = self.enter(request, |message| &message.worker_id).await?;
        grant(allowance, message.timeout_ms);
        let polled = self.calls.poll_task(&caller, &message).await;
        polled.map_err(|error| status(&error))
    }

    async fn ack_task(
        &self,
        request: Request<proto::AckTaskRequest>,
    ) -> Answer<proto::AckTaskResponse> {
        let (caller, message) = self.enter(request, |message| &message.worker_id).await?;
        answer(self.calls.ack_task(&caller, message).await)
    }

    async fn report_result(
        &self,
        request: Request<proto::ReportResultRequest>,
    ) -> Answer<proto::ReportResultResponse> {
        let (caller, message) = self.enter(request, |message| &message.worker_id).await?;
        answer(self.calls.report_result(&caller, message).await)
    }

    async fn send_log(
        &self,
        request: Request<proto::SendLogRequest>,
    ) -> Answer<proto::SendLogResponse> {
        let (caller, message) = self.enter(request, |_| "").await?;
        answer(self.calls.send_log(&caller, message).await)
    }

    async fn send_log_batch(
        &self,
        request: Request<proto::SendLogBatchRequest>,
    ) -> Answer<proto::SendLogBatchResponse> {
        let (caller, message) = self.enter(request, |_| "").await?;
        answer(self.calls.send_log_batch(&caller, message).await)
    }

    async fn send_log_chunk(
        &self,
        request: Request<proto::SendLogChunkRequest>,
    ) -> Answer<proto::SendLogChunkResponse> {
        let (caller, message) = self.enter(request, |_| "").await?;
        answer(self.calls.send_log_chunk(&caller, message).await)
    }

    async fn send_heartbeat(
        &self,
        request: Request<proto::SendHeartbeatRequest>,
    ) -> Answer<proto::SendHeartbeatResponse> {
        let (caller, message) = self.enter(request, |message| &message.worker_id).await?;
        answer(self.calls.send_heartbeat(&caller, message).await)
    }

    async fn poll_control(
        &self,
        request: Request<proto::PollControlRequest>,
    ) -> Answer<proto::PollControlResponse> {
        let allowance = request.extensions().get::<Allowance>().cloned();
        let (caller, message) = self.enter(request, |message| &message.worker_id).await?;
        grant(allowance, message.timeout_ms);
        let polled = self.calls.poll_control(&caller, &message).await;
        polled.map_err(|error| status(&error))
    }

    async fn ack_control(
        &self,
        request: Request<proto::AckControlRequest>,
    ) -> Answer<proto::AckControlResponse> {
        let (caller, message) = self.enter(request, |message| &message.worker_id).await?;
        answer(self.calls.ack_control(&caller, &message).await)
    }

    async fn report_control_result(
        &self,
        request: Request<proto::ControlResultRequest>,
    ) -> Answer<proto::ControlResultResponse> {
        let (caller, message) = self.enter(request, |message| &message.worker_id).await?;
        answer(self.calls.report_control_result(&caller, message).await)
    }
}
