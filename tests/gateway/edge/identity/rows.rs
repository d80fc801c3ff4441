//! Every field of every call that names something.

use futures::future::BoxFuture;
use tonic::{Request, Status};

use crate::support::proto::worker_message::Payload;
use crate::support::{Worker, proto};

/// What a worker has.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    pub(super) worker: String,
    /// A task, and the run of it, which it runs.
    pub(super) run: String,
    pub(super) receipt: String,
    /// A command, and a request, which it was given.
    pub(super) command: String,
    pub(super) request: String,
}

/// What a field names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// A worker; empty means the caller.
    Worker,
    /// What the caller must have been given.
    Given,
    /// Nothing that is looked for beyond what the caller holds: it is as good as any text.
    Own,
}

/// A field, and the call that sends a value in it, all else being the caller's own.
pub(super) struct Row {
    pub(super) field: &'static str,
    pub(super) names: Names,
    pub(super) of: fn(&Objects) -> &str,
    pub(super) send: for<'a> fn(&'a Worker, &'a Objects, String) -> BoxFuture<'a, Outcome>,
}

pub(super) type Outcome = Result<(), Status>;

/// Each row: the field, what it names, whose name is put there; the call, and its message.
macro_rules! rows {
    ($($field:literal $names:ident $of:ident: $call:ident |$own:ident, $value:ident| $message:expr;)*) => {
        vec![$(Row {
            field: $field,
            names: Names::$names,
            of: |objects| &objects.$of,
            send: |worker, $own, $value| {
                Box::pin(async move {
                    let request = worker.request($message);
                    worker.client().$call(request).await.map(drop)
                })
            },
        }),*]
    };
}

macro_rules! stream_row {
    ($field:literal, $names:ident, $of:ident, |$value:ident| $payload:expr) => {
        Row {
            field: $field,
            names: Names::$names,
            of: |objects| &objects.$of,
            send: |worker, _, $value| Box::pin(say(worker, $payload)),
        }
    };
}

/// Says one thing on a live channel, and hears how that ends.
async fn say(worker: &Worker, payload: Payload) -> Outcome {
    let message = proto::WorkerMessage {
        payload: Some(payload),
    };
    let messages = tokio_stream::iter([message]);
    let opened = worker
        .client()
        .worker_stream(worker.request(messages))
        .await;
    let mut heard = opened?.into_inner();
    while heard.message().await?.is_some() {}
    Ok(())
}

fn chunk(run_id: String) -> proto::SendLogChunkRequest {
    proto::SendLogChunkRequest {
        run_id,
        log_type: "stdout".into(),
        data: b"data".to_vec().into(),
        ..Default::default()
    }
}

fn entry(run_id: String) -> proto::LogEntry {
    proto::LogEntry {
        run_id,
        content: "a line".into(),
        ..Default::default()
    }
}

fn line(run_id: String) -> proto::SendLogRequest {
    proto::SendLogRequest {
        run_id,
        content: "a line".into(),
        ..Default::default()
    }
}

fn report(own: &Objects) -> proto::ReportResultRequest {
    proto::ReportResultRequest {
        run_id: own.run.clone(),
        status: "success".into(),
        ..Default::default()
    }
}

fn reply(own: &Objects) -> proto::ControlResultRequest {
    proto::ControlResultRequest {
        request_id: own.request.clone(),
        success: true,
        ..Default::default()
    }
}

fn ack(own: &Objects) -> proto::AckTaskRequest {
    proto::AckTaskRequest {
        receipt_id: own.receipt.clone(),
        accepted: true,
        ..Default::default()
    }
}

/// The fields of unary calls.
pub(super) fn unary() -> Vec<Row> {
    let mut rows = of_workers();
    rows.extend(of_what_was_given());
    rows
}

fn of_workers() -> Vec<Row> {
    use proto::*;

    rows! {
        "Register.worker_id" Worker worker:
            register |_own, worker_id| RegisterRequest { worker_id, ..Default::default() };
        "PollTask.worker_id" Worker worker:
            poll_task |_own, worker_id| PollTaskRequest { worker_id, timeout_ms: 1 };
        "SendHeartbeat.worker_id" Worker worker:
            send_heartbeat |_own, worker_id| SendHeartbeatRequest { worker_id, ..Default::default() };
        "PollControl.worker_id" Worker worker:
            poll_control |_own, worker_id| PollControlRequest { worker_id, timeout_ms: 1 };
        "ReportResult.worker_id" Worker worker:
            report_result |own, worker_id| ReportResultRequest { worker_id, ..report(own) };
        "AckTask.worker_id" Worker worker:
            ack_task |own, worker_id| AckTaskRequest { worker_id, ..ack(own) };
        "AckControl.worker_id" Worker worker:
            ack_control |own, worker_id| AckControlRequest { worker_id, receipt_id: own.command.clone() };
        "ReportControlResult.worker_id" Worker worker:
            report_control_result |own, worker_id| ControlResultRequest { worker_id, ..reply(own) };
    }
}

fn of_what_was_given() -> Vec<Row> {
    use proto::*;

    rows! {
        "SendLog.run_id" Given run: send_log |_own, run_id| line(run_id);
        "SendLogBatch.logs.run_id" Given run:
            send_log_batch |own, run_id| SendLogBatchRequest { logs: vec![entry(own.run.clone()), entry(run_id)] };
        "SendLogChunk.run_id" Given run: send_log_chunk |_own, run_id| chunk(run_id);
        "ReportResult.run_id" Given run:
            report_result |own, run_id| ReportResultRequest { run_id, ..report(own) };
        "ReportResult.task_id without run_id" Given run:
            report_result |own, task_id| ReportResultRequest { run_id: String::new(), task_id, ..report(own) };
        "AckTask.receipt_id" Given receipt:
            ack_task |own, receipt_id| AckTaskRequest { receipt_id, ..ack(own) };
        "AckTask.receipt_id, given back" Given receipt:
            ack_task |own, receipt_id| AckTaskRequest { receipt_id, accepted: false, ..ack(own) };
        "AckTask.task_id" Own run:
            ack_task |own, task_id| AckTaskRequest { task_id, ..ack(own) };
        "AckControl.receipt_id" Given command:
            ack_control |_own, receipt_id| AckControlRequest { worker_id: String::new(), receipt_id };
        "ReportControlResult.request_id" Given request:
            report_control_result |own, request_id| ControlResultRequest { request_id, ..reply(own) };
    }
}

/// Those of the live channel.
pub(super) fn streamed() -> Vec<Row> {
    vec![
        stream_row!("Heartbeat.worker_id", Worker, worker, |worker_id| {
            Payload::Heartbeat(proto::Heartbeat {
                worker_id,
                ..Default::default()
            })
        }),
        stream_row!("TaskStatus.run_id", Given, run, |run_id| {
            let status = "running".into();
            Payload::TaskStatus(proto::TaskStatus {
                run_id,
                status,
                ..Default::default()
            })
        }),
        stream_row!("TaskAck.task_id", Own, run, |task_id| {
            Payload::TaskAck(proto::TaskAck {
                task_id,
                accepted: true,
                reason: None,
            })
        }),
        stream_row!("CancelAck.task_id", Own, run, |task_id| {
            Payload::CancelAck(proto::CancelAck {
                task_id,
                success: true,
                reason: None,
            })
        }),
    ]
}

/// The header that every call may have.
pub(super) fn headers() -> Vec<Row> {
    macro_rules! header {
        ($($call:ident)+) => {
            vec![$(Row {
                field: concat!("x-worker-id of ", stringify!($call)),
                names: Names::Worker,
                of: |objects| &objects.worker,
                send: |worker, _, value| Box::pin(async move {
                    let request = claiming(worker, &value)?;
                    worker.client().$call(request).await.map(drop)
                }),
            }),+]
        };
    }
    let mut rows = header!(register poll_task ack_task report_result send_log send_log_batch
        send_log_chunk send_heartbeat poll_control ack_control report_control_result);
    rows.push(Row {
        field: "x-worker-id of worker_stream",
        names: Names::Worker,
        of: |objects| &objects.worker,
        send: |worker, _, value| {
            Box::pin(async move {
                let (metadata, extensions, ()) = claiming(worker, &value)?.into_parts();
                let request = Request::from_parts(metadata, extensions, tokio_stream::empty());
                let mut heard = worker.client().worker_stream(request).await?.into_inner();
                while heard.message().await?.is_some() {}
                Ok(())
            })
        },
    });
    rows
}

/// A message of nothing under a name, by the key of `worker`.
fn claiming<T: Default>(worker: &Worker, name: &str) -> Result<Request<T>, Status> {
    let mut request = worker.request(T::default());
    // What no header can be is never sent.
    let name = name.parse().map_err(|_| Status::invalid_argument(""))?;
    request.metadata_mut().insert("x-worker-id", name);
    Ok(request)
}
