use std::net::SocketAddr;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::Outcome;
use crate::proto::gateway_service_client::GatewayServiceClient as Client;
use crate::proto::{
    AckTaskRequest, LogEntry, PollControlRequest, PollControlResponse, PollTaskRequest,
    PollTaskResponse, SendHeartbeatRequest, SendLogBatchRequest,
};

/// Connections that are made at a time.
const CONNECTING: usize = 64;

/// Makes so many connections.
pub(crate) async fn connect(address: SocketAddr, count: u32) -> Outcome<Vec<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let connections = stream::iter(0..count).map(|_| endpoint.connect());
    Ok(connections
        .buffer_unordered(CONNECTING)
        .try_collect()
        .await?)
}

/// What a worker is called.
pub(crate) fn name(worker: u32) -> String {
    format!("w-{worker:05}")
}

/// A key as long as those in the field.
pub(crate) fn key(worker: u32) -> String {
    format!("{worker:064x}")
}

/// A worker; clones are the same one.
#[derive(Clone)]
pub(crate) struct Worker {
    id: String,
    headers: [(&'static str, MetadataValue<Ascii>); 2],
    client: Client<Channel>,
}

impl Worker {
    pub(crate) fn new(number: u32, channel: &Channel) -> Outcome<Self> {
        let id = name(number);
        Ok(Self {
            headers: [
                ("x-worker-id", id.parse()?),
                ("x-api-key", key(number).parse()?),
            ],
            id,
            client: Client::new(channel.clone()),
        })
    }

    pub(crate) async fn poll_task(&self, timeout_ms: i32) -> Result<PollTaskResponse, Status> {
        let worker_id = self.id.clone();
        let request = self.request(PollTaskRequest {
            worker_id,
            timeout_ms,
        });
        let polled = self.client.clone().poll_task(request).await;
        polled.map(Response::into_inner)
    }

    pub(crate) async fn poll_control(
        &self,
        timeout_ms: i32,
    ) -> Result<PollControlResponse, Status> {
        let worker_id = self.id.clone();
        let request = self.request(PollControlRequest {
            worker_id,
            timeout_ms,
        });
        let polled = self.client.clone().poll_control(request).await;
        polled.map(Response::into_inner)
    }

    pub(crate) async fn ack(&self, receipt_id: String) -> Result<(), Status> {
        let request = self.request(AckTaskRequest {
            worker_id: self.id.clone(),
            receipt_id,
            accepted: true,
            ..Default::default()
        });
        self.client.clone().ack_task(request).await.map(drop)
    }

    pub(crate) async fn log(&self, logs: Vec<LogEntry>) -> Result<(), Status> {
        let request = self.request(SendLogBatchRequest { logs });
        self.client.clone().send_log_batch(request).await.map(drop)
    }

    pub(crate) async fn beat(&self) -> Result<(), Status> {
        let request = self.request(SendHeartbeatRequest {
            worker_id: self.id.clone(),
            status: "online".into(),
            cpu_percent: 12.5,
            memory_percent: 40.0,
            disk_percent: 70.0,
            running_tasks: 3,
            max_concurrent_tasks: 8,
            timestamp: "2026-11-22T12:00:00.123456+00:00".into(),
            version: "1.4.2".into(),
        });
        self.client.clone().send_heartbeat(request).await.map(drop)
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().insert(*name, value.clone());
        }
        request
    }
}
