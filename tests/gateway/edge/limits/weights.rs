//! What messages may weigh that are under way.

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::Response;
use tokio_stream::StreamExt as _;
use tonic::Code;

use super::{assert_refused, line};
use crate::edge::wire::calls::{call, client};
use crate::edge::wire::{connect, soon};
use crate::support::{Gateway, Options, proto, task};
use proto::worker_message::Payload;

const MIB: usize = 1 << 20;

/// A gateway with room for one message of the largest kind, and little more.
async fn narrow() -> Gateway {
    let gateway = Gateway::start_with(Options {
        adjust: |port| {
            port.max_bytes = 64 * MIB;
            port.max_bytes_per_worker = 64 * MIB;
        },
        ..Options::default()
    })
    .await;
    for (worker, run) in [("w-1", "r-1"), ("w-2", "r-2")] {
        gateway.enqueue(worker, task(run)).await;
        gateway.worker(worker).take().await;
    }
    gateway
}

/// A call of `w-1` that says what its message weighs, and no more.
struct Announced {
    answer: ResponseFuture,
    message: SendStream<Bytes>,
}

impl Announced {
    async fn begin(gateway: &Gateway, rpc: &str, bytes: usize) -> Self {
        let request = call(&format!("/antcode.v1.GatewayService/{rpc}"));
        let mut client = client(connect(gateway).await).await;
        let (answer, mut message) = client.send_request(request, false).expect("calls");
        let length = u32::try_from(bytes).expect("is short");
        let head = [&[0][..], &length.to_be_bytes()].concat();
        message.send_data(head.into(), false).expect("sends");
        // What is asked later is answered when that has been looked at.
        for _ in 0..2 {
            let beat = call("/antcode.v1.GatewayService/SendHeartbeat");
            let (beaten, mut message) = client.send_request(beat, false).expect("calls");
            message.send_data(vec![0; 5].into(), true).expect("sends");
            soon(beaten).await.expect("is answered");
        }
        Self { answer, message }
    }

    /// Ends it before its time.
    fn end(mut self) {
        self.message.send_reset(h2::Reason::CANCEL);
    }

    async fn refused(self) -> Response<RecvStream> {
        let answer = soon(self.answer).await.expect("is answered");
        assert_eq!(answer.headers()["grpc-status"], "8");
        assert!(answer.headers().contains_key("grpc-retry-pushback-ms"));
        answer
    }
}

fn report(run: &str, mib: usize) -> proto::ReportResultRequest {
    proto::ReportResultRequest {
        run_id: run.into(),
        status: "success".into(),
        data_json: format!("{{\"a\":\"{}\"}}", "x".repeat(mib * MIB)),
        ..Default::default()
    }
}

fn heavy(run: &str) -> Vec<proto::LogEntry> {
    vec![line(run, "x".repeat(MIB))]
}

/// T27: logs are let in as far as there is room for what they weigh, and leave some to results.
#[tokio::test]
async fn logs_that_weigh_much_leave_room_for_results() {
    let gateway = narrow().await;
    let (worker, other) = (gateway.worker("w-1"), gateway.worker("w-2"));
    // Whatever is alone passes.
    let stuck = Announced::begin(&gateway, "SendLogChunk", 50 * MIB).await;
    assert_refused(other.log(heavy("r-2")).await);

    let log = Announced::begin(&gateway, "SendLogBatch", MIB).await;
    log.refused().await;
    let light = vec![line("r-2", "x".repeat(60 * 1024))];
    other.log(light).await.expect("needs no room");
    worker
        .report_fully(report("r-1", 8))
        .await
        .expect("is let in");
    other
        .report_fully(report("r-2", 8))
        .await
        .expect("is let in");

    stuck.end();
    soon(async { while other.log(heavy("r-2")).await.is_err() {} }).await;
    gateway.stop().await;
}

/// T27: of the room for all, one worker has its share.
#[tokio::test]
async fn a_worker_has_its_share_of_the_room() {
    let gateway = Gateway::start_with(Options {
        adjust: |port| port.max_bytes_per_worker = 64 * MIB,
        ..Options::default()
    })
    .await;
    let _stuck = Announced::begin(&gateway, "SendLogChunk", 50 * MIB).await;
    assert_refused(gateway.worker("w-1").log(heavy("r")).await);

    gateway.enqueue("w-2", task("s")).await;
    let other = gateway.worker("w-2");
    other.take().await;
    let logged = other.log(heavy("s")).await;
    logged.expect("is another's");
    gateway.stop().await;
}

/// T27: a result that finds no room waits for it, as its worker never reports again.
#[tokio::test]
async fn a_result_waits_for_room() {
    let gateway = narrow().await;
    let other = gateway.worker("w-2");
    let stuck = Announced::begin(&gateway, "ReportResult", 50 * MIB).await;

    let reported = tokio::spawn(async move { other.report_fully(report("r-2", 20)).await });
    gateway.worker("w-1").beat(0).await.expect("needs no room");
    stuck.end();
    let reported = soon(reported).await.expect("does not panic");
    reported.expect("is let in");
    gateway.stop().await;
}

/// T27: a message beyond any bound waits for nothing, and holds up nobody.
#[tokio::test]
async fn what_is_too_large_anyway_needs_no_room() {
    let gateway = narrow().await;
    let _stuck = Announced::begin(&gateway, "SendLogChunk", 10 * MIB).await;

    let large = Announced::begin(&gateway, "ReportResult", 4000 * MIB).await;
    let answer = soon(large.answer).await.expect("is answered");
    let code = Code::OutOfRange as i32;
    assert_eq!(answer.headers()["grpc-status"], code.to_string().as_str());
    gateway.stop().await;
}

/// T27: what comes over a live channel needs room only until it is taken in.
#[tokio::test]
async fn a_live_channel_gives_up_its_room_message_by_message() {
    let gateway = narrow().await;
    let worker = gateway.worker("w-1");
    let long = proto::TaskStatus {
        run_id: "unknown".into(),
        status: "failed".into(),
        error_message: Some("x".repeat(3 * MIB)),
        ..Default::default()
    };
    let long = proto::WorkerMessage {
        payload: Some(Payload::TaskStatus(long)),
    };
    let said = tokio_stream::iter(0..30).map(move |_| long.clone());

    let opened = worker.client().worker_stream(worker.request(said)).await;
    let mut heard = opened.expect("is opened").into_inner();
    let end = async { while heard.message().await.expect("is not cut off").is_some() {} };
    soon(end).await;
    gateway.stop().await;
}
