use std::net::SocketAddr;

use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::proto::gateway_service_client::GatewayServiceClient;
use super::proto::{self, PollControlResponse, PollTaskResponse};
use super::{Ear, secret};

/// A worker with a connection of its own.
#[derive(Clone)]
pub(crate) struct Worker {
    /// Its identifier.
    pub(crate) id: String,
    key: Option<String>,
    endpoint: Endpoint,
    channel: Channel,
    client: GatewayServiceClient<Ear>,
}

/// What a call came to, without its metadata.
type Answer<T> = Result<T, Status>;

impl Worker {
    /// A worker that presents `key`, or nothing. It connects with its first call.
    pub(crate) fn new(address: SocketAddr, id: &str, key: Option<&str>) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("is a URI");
        Self::at(endpoint, id, key)
    }

    /// The same worker with a connection of its own, on which an answer may be under way unread
    /// up to so many bytes.
    pub(crate) fn with_window(&self, bytes: u32) -> Self {
        let endpoint = self.endpoint.clone().initial_stream_window_size(bytes);
        Self::at(endpoint, &self.id, self.key.as_deref())
    }

    /// A worker that reaches the gateway by `endpoint`.
    pub(crate) fn at(endpoint: Endpoint, id: &str, key: Option<&str>) -> Self {
        let channel = endpoint.connect_lazy();
        Self::over(channel, endpoint, id, key)
    }

    /// A worker that speaks over `channel`.
    pub(crate) fn over(channel: Channel, endpoint: Endpoint, id: &str, key: Option<&str>) -> Self {
        let client = GatewayServiceClient::new(Ear(channel.clone()));
        if let Some(key) = key {
            secret(key);
        }
        Self {
            id: id.to_owned(),
            endpoint,
            channel,
            key: key.map(str::to_owned),
            client: client.max_decoding_message_size(50 << 20),
        }
    }

    /// The same worker, calling itself by another name.
    pub(crate) fn claiming(&self, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            ..self.clone()
        }
    }

    /// The connection, for other services.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// The client, for what is not below.
    pub(crate) fn client(&self) -> GatewayServiceClient<Ear> {
        self.client.clone()
    }

    /// `message` with the worker's headers.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let headers = request.metadata_mut();
        if !self.id.is_empty() {
            headers.insert("x-worker-id", self.id.parse().expect("is a header"));
        }
        if let Some(key) = &self.key {
            headers.insert("x-api-key", key.parse().expect("is a header"));
        }
        request
    }

    /// Polls for a task.
    pub(crate) async fn poll(&self, timeout_ms: i32) -> Answer<PollTaskResponse> {
        let request = proto::PollTaskRequest {
            worker_id: self.id.clone(),
            timeout_ms,
        };
        let polled = self.client().poll_task(self.request(request)).await;
        polled.map(tonic::Response::into_inner)
    }

    /// Polls until there is a task.
    pub(crate) async fn take(&self) -> (proto::TaskDispatch, String) {
        let polled = self.poll(30_000).await.expect("polls");
        (polled.task.expect("there is a task"), polled.receipt_id)
    }

    /// Acknowledges a task, or gives it back.
    pub(crate) async fn ack(&self, receipt: &str, accepted: bool) -> Answer<()> {
        let request = proto::AckTaskRequest {
            worker_id: self.id.clone(),
            receipt_id: receipt.to_owned(),
            accepted,
            reason: if accepted { "" } else { "busy" }.to_owned(),
            task_id: String::new(),
        };
        let acked = self.client().ack_task(self.request(request)).await?;
        assert_success(acked.get_ref().success);
        Ok(())
    }

    /// Reports what became of a run.
    pub(crate) async fn report(&self, run: &str, status: &str) -> Answer<()> {
        self.report_fully(proto::ReportResultRequest {
            run_id: run.to_owned(),
            worker_id: self.id.clone(),
            status: status.to_owned(),
            ..Default::default()
        })
        .await
    }

    /// Reports what became of a run, in full.
    pub(crate) async fn report_fully(&self, report: proto::ReportResultRequest) -> Answer<()> {
        let reported = self.client().report_result(self.request(report)).await?;
        assert_success(reported.get_ref().success);
        Ok(())
    }

    /// Sends log lines.
    pub(crate) async fn log(&self, lines: Vec<proto::LogEntry>) -> Answer<()> {
        let request = proto::SendLogBatchRequest { logs: lines };
        let logged = self.client().send_log_batch(self.request(request)).await?;
        assert_success(logged.get_ref().success);
        Ok(())
    }

    /// Sends a piece of a log file; the answer is how much is held without a gap.
    pub(crate) async fn chunk(&self, chunk: proto::SendLogChunkRequest) -> Answer<i64> {
        let stored = self.client().send_log_chunk(self.request(chunk)).await?;
        Ok(stored.get_ref().ack_offset)
    }

    /// Says that it lives and runs so many tasks.
    pub(crate) async fn beat(&self, running_tasks: i32) -> Answer<()> {
        let request = proto::SendHeartbeatRequest {
            worker_id: self.id.clone(),
            status: "online".into(),
            running_tasks,
            ..Default::default()
        };
        let taken = self.client().send_heartbeat(self.request(request)).await?;
        assert_success(taken.get_ref().success);
        Ok(())
    }

    /// Says that its process is new, by the key in the message alone.
    pub(crate) async fn register(&self) -> Answer<proto::RegisterResponse> {
        let request = proto::RegisterRequest {
            api_key: self.key.clone().unwrap_or_default(),
            worker_id: self.id.clone(),
            ..Default::default()
        };
        let registered = self.client().register(Request::new(request)).await;
        registered.map(tonic::Response::into_inner)
    }

    /// Polls for a control message.
    pub(crate) async fn poll_control(&self, timeout_ms: i32) -> Answer<PollControlResponse> {
        let request = proto::PollControlRequest {
            worker_id: self.id.clone(),
            timeout_ms,
        };
        let polled = self.client().poll_control(self.request(request)).await;
        polled.map(tonic::Response::into_inner)
    }

    /// Acknowledges a control message.
    pub(crate) async fn ack_control(&self, receipt: &str) -> Answer<()> {
        let request = proto::AckControlRequest {
            worker_id: self.id.clone(),
            receipt_id: receipt.to_owned(),
        };
        let acked = self.client().ack_control(self.request(request)).await?;
        assert_success(acked.get_ref().success);
        Ok(())
    }

    /// Replies to a runtime request.
    pub(crate) async fn reply(&self, request_id: &str, reply_stream: &str) -> Answer<()> {
        let request = proto::ControlResultRequest {
            worker_id: self.id.clone(),
            request_id: request_id.to_owned(),
            success: true,
            payload_json: "{\"pong\":true}".into(),
            reply_stream: reply_stream.to_owned(),
            ..Default::default()
        };
        let mut client = self.client();
        let replied = client.report_control_result(self.request(request)).await?;
        assert_success(replied.get_ref().success);
        Ok(())
    }
}

impl Worker {
    /// Polls for a task, up to the moment when the answer begins; nothing of it is read.
    pub(crate) async fn begin_poll(&self) -> Streaming<PollTaskResponse> {
        let request = proto::PollTaskRequest {
            worker_id: self.id.clone(),
            timeout_ms: 30_000,
        };
        self.begin("PollTask", request).await
    }

    /// Polls for a control message, up to the moment when the answer begins.
    pub(crate) async fn begin_poll_control(&self) -> Streaming<PollControlResponse> {
        let request = proto::PollControlRequest {
            worker_id: self.id.clone(),
            timeout_ms: 30_000,
        };
        self.begin("PollControl", request).await
    }

    async fn begin<Q, A>(&self, rpc: &str, request: Q) -> Streaming<A>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let path = format!("/antcode.v1.GatewayService/{rpc}");
        let mut raw = tonic::client::Grpc::new(self.channel.clone());
        raw.ready().await.expect("connects");
        let begun = raw.server_streaming(
            self.request(request),
            path.parse().expect("is a path"),
            tonic_prost::ProstCodec::default(),
        );
        begun.await.expect("is answered").into_inner()
    }

    /// Begins a unary call whose message never comes.
    pub(crate) async fn begin_call(self, rpc: &str) -> Answer<()> {
        let never = tokio_stream::pending::<proto::SendHeartbeatRequest>();
        let path = format!("/antcode.v1.GatewayService/{rpc}");
        let mut raw = tonic::client::Grpc::new(self.channel.clone());
        raw.ready().await.expect("connects");
        let answer = raw.client_streaming::<_, _, proto::SendHeartbeatResponse, _>(
            self.request(never),
            path.parse().expect("is a path"),
            tonic_prost::ProstCodec::default(),
        );
        answer.await.map(|_| ())
    }
}

/// Trouble is told by a status, never by `success=false` alone.
#[track_caller]
fn assert_success(success: bool) {
    assert!(success, "answered OK without success");
}
