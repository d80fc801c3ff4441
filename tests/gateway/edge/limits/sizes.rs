use tonic::{Code, Status};

use super::line;
use crate::support::{Gateway, Worker, proto};

/// Something that is one too long, and the field it is named by.
type Long = (&'static str, Result<(), Status>);

/// What is at its limit, and one beyond it.
async fn tried(worker: &Worker, beyond: usize) -> Vec<Long> {
    let long = |length: usize| "x".repeat(length + beyond);
    let name = long(64);
    let report = proto::ReportResultRequest {
        run_id: name.clone(),
        status: "success".into(),
        ..Default::default()
    };
    let of_task = proto::ReportResultRequest {
        run_id: "r".into(),
        task_id: name.clone(),
        status: "success".into(),
        ..Default::default()
    };
    let chunk = proto::SendLogChunkRequest {
        run_id: name.clone(),
        ..Default::default()
    };
    let heartbeat = proto::SendHeartbeatRequest {
        version: long(256),
        ..Default::default()
    };
    let beat = worker.request(heartbeat);
    let lines = vec![line("r", String::new()); 10_000 + beyond];
    vec![
        ("receipt_id", worker.ack(&name, true).await),
        ("receipt_id", worker.ack_control(&name).await),
        ("request_id", worker.reply(&name, "").await),
        ("run_id", worker.report_fully(report).await),
        ("task_id", worker.report_fully(of_task).await),
        ("run_id", worker.log(vec![line(&name, "x".into())]).await),
        ("logs", worker.log(lines).await),
        ("content", worker.log(vec![line("r", long(16 << 20))]).await),
        ("run_id", worker.chunk(chunk).await.map(drop)),
        (
            "version",
            worker.client().send_heartbeat(beat).await.map(drop),
        ),
    ]
}

/// T12: every field has its limit, and one beyond it is named before any store is asked.
#[tokio::test]
async fn what_is_one_too_long_is_refused_by_name() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    for (field, answer) in tried(&worker, 1).await {
        let refused = answer.expect_err(field);
        assert_eq!(
            refused.code(),
            Code::InvalidArgument,
            "{field}: {refused:?}"
        );
        let named = refused.message().starts_with(&format!("{field}: "));
        assert!(named, "{field}: {refused:?}");
    }
    for (field, answer) in tried(&worker, 0).await {
        // There may be no such run or receipt, but nothing is too long.
        let code = answer.err().map(|refused| refused.code());
        assert_ne!(code, Some(Code::InvalidArgument), "{field}");
    }
    gateway.stop().await;
}

/// T12: a million lines that say nothing are not made into a million lines.
#[tokio::test]
async fn a_million_empty_lines_are_refused_on_their_way_in() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    let logged = worker
        .log(vec![proto::LogEntry::default(); 1_000_000])
        .await;
    let refused = logged.expect_err("is refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("10000"), "{refused:?}");
    worker.beat(0).await.expect("goes on");
    gateway.stop().await;
}

/// T12: what has no use for a large message takes none.
#[tokio::test]
async fn a_large_message_is_for_logs_and_results_alone() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let request = worker.request(proto::AckTaskRequest {
        receipt_id: "r".into(),
        reason: "x".repeat(2 << 20),
        ..Default::default()
    });

    let refused = worker.client().ack_task(request).await;
    let refused = refused.expect_err("is refused");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    gateway.stop().await;
}
