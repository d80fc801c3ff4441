use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit as Slot, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{interval_at, sleep};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::Outcome;
use crate::args::Identity;
use crate::proto::gateway_service_client::GatewayServiceClient as Client;
use crate::proto::{self, LogEntry, TaskDispatch};
use crate::tally::Tally;

/// As workers in the field do it.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What a worker leaves a call beyond what it asks the gateway to wait.
const MARGIN: Duration = Duration::from_secs(5);

/// After a call that failed, unless the gateway says for how long to wait.
const PAUSE: Duration = Duration::from_millis(250);

/// Tasks that one worker may have at a time.
const SLOTS: u16 = 8;

/// A worker whose tasks take no time.
pub(crate) struct Worker {
    pub(crate) id: String,
    headers: [Option<(&'static str, MetadataValue<Ascii>)>; 2],
    client: Client<Channel>,
    poll_timeout_ms: i32,
    slots: Arc<Semaphore>,
    /// Lines that were sent.
    lines: AtomicU64,
    tally: Arc<Tally>,
}

impl Worker {
    pub(crate) fn new(
        (id, key): &Identity,
        channel: &Channel,
        poll_timeout_ms: i32,
        tally: Arc<Tally>,
    ) -> Outcome<Self> {
        let key = key.as_ref().map(|key| key.parse()).transpose()?;
        Ok(Self {
            id: id.clone(),
            headers: [
                Some(("x-worker-id", id.parse()?)),
                key.map(|key| ("x-api-key", key)),
            ],
            client: Client::new(channel.clone()),
            poll_timeout_ms,
            slots: Arc::new(Semaphore::new(SLOTS.into())),
            lines: AtomicU64::default(),
            tally,
        })
    }

    /// Does all that a worker does, until `lives` end.
    pub(crate) fn live(self: Arc<Self>, lives: &mut JoinSet<()>) {
        lives.spawn(self.clone().take_tasks());
        lives.spawn(self.clone().take_controls());
        lives.spawn(self.send_heartbeats());
    }

    async fn take_tasks(self: Arc<Self>) {
        while let Ok(slot) = self.slots.clone().acquire_owned().await {
            let request = proto::PollTaskRequest {
                worker_id: self.id.clone(),
                timeout_ms: self.poll_timeout_ms,
            };
            let polled = self.client().poll_task(self.request(request)).await;
            let Some(answer) = self.heard("PollTask", polled).await else {
                continue;
            };
            if let Some(task) = answer.task {
                self.tally.received(&task);
                tokio::spawn(self.clone().settle(task, answer.receipt_id, slot));
            }
        }
    }

    /// Acknowledges a task whether or not its result could be reported, as workers in the field do.
    async fn settle(self: Arc<Self>, task: TaskDispatch, receipt_id: String, _slot: Slot) {
        let report = proto::ReportResultRequest {
            run_id: task.run_id,
            task_id: task.task_id,
            worker_id: self.id.clone(),
            status: "success".into(),
            ..Default::default()
        };
        let reported = self.client().report_result(self.request(report)).await;
        let _result = self.heard("ReportResult", reported).await;
        let ack = proto::AckTaskRequest {
            worker_id: self.id.clone(),
            receipt_id,
            accepted: true,
            ..Default::default()
        };
        let acked = self.client().ack_task(self.request(ack)).await;
        let acked = self.heard("AckTask", acked).await;
        self.tally.settled(acked.is_some());
    }

    async fn take_controls(self: Arc<Self>) {
        loop {
            let request = proto::PollControlRequest {
                worker_id: self.id.clone(),
                timeout_ms: self.poll_timeout_ms,
            };
            let polled = self.client().poll_control(self.request(request)).await;
            let Some(answer) = self.heard("PollControl", polled).await else {
                continue;
            };
            if answer.has_control {
                self.tally.controlled();
                let ack = proto::AckControlRequest {
                    worker_id: self.id.clone(),
                    receipt_id: answer.receipt_id,
                };
                let acked = self.client().ack_control(self.request(ack)).await;
                let _acked = self.heard("AckControl", acked).await;
            }
        }
    }

    async fn send_heartbeats(self: Arc<Self>) {
        // Workers were not all started at once.
        let first = HEARTBEAT.mul_f64(rand::random());
        let mut beat = interval_at(tokio::time::Instant::now() + first, HEARTBEAT);
        loop {
            beat.tick().await;
            let running = usize::from(SLOTS) - self.slots.available_permits();
            let request = proto::SendHeartbeatRequest {
                worker_id: self.id.clone(),
                status: "online".into(),
                running_tasks: i32::try_from(running).unwrap_or_default(),
                max_concurrent_tasks: SLOTS.into(),
                ..Default::default()
            };
            let beaten = self.client().send_heartbeat(self.request(request)).await;
            if self.heard("SendHeartbeat", beaten).await.is_some() {
                self.tally.beaten();
            }
        }
    }

    /// Sends so many lines of a run that this worker has for them; whether they were taken.
    pub(crate) async fn log(&self, lines: u64) -> bool {
        let run_id = format!("{}-log-{}", self.tally.session(), self.id);
        let first = self.lines.fetch_add(lines, Ordering::Relaxed);
        let line = |number: u64| LogEntry {
            run_id: run_id.clone(),
            log_type: "stdout".into(),
            content: format!(
                "line {number:010} of a run, as long as lines commonly are in the field"
            ),
            timestamp: String::new(),
            sequence: number.cast_signed(),
        };
        let request = proto::SendLogBatchRequest {
            logs: (first + 1..=first + lines).map(line).collect(),
        };
        let sent = self.client().send_log_batch(self.request(request)).await;
        self.heard("SendLogBatch", sent).await.is_some()
    }

    fn client(&self) -> Client<Channel> {
        self.client.clone()
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in self.headers.iter().flatten() {
            request.metadata_mut().insert(*name, value.clone());
        }
        let wait = Duration::from_millis(self.poll_timeout_ms.unsigned_abs().into());
        request.set_timeout(wait + MARGIN);
        request
    }

    /// The answer; or a pause, if there was none, so that trouble is not made worse.
    async fn heard<T>(&self, call: &'static str, answer: Result<Response<T>, Status>) -> Option<T> {
        let status = match answer {
            Ok(answer) => return Some(answer.into_inner()),
            Err(status) => status,
        };
        self.tally.failed(call, format!("{:?}", status.code()));
        let asked = status.metadata().get("grpc-retry-pushback-ms");
        let asked = asked.and_then(|millis| millis.to_str().ok()?.parse().ok());
        let pause = asked.map_or(PAUSE, Duration::from_millis);
        sleep(pause + PAUSE.mul_f64(rand::random())).await;
        None
    }
}
