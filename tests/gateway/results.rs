//! What became of runs.

use gateway_core::domain::audit::Action;
use gateway_core::domain::run::{Data, RunStatus};
use gateway_core::ports::Master as _;
use serde_json::json;
use tonic::Code;

use crate::support::{Gateway, proto, run_id, task};

#[tokio::test]
async fn a_result_arrives_with_all_it_says() {
    let gateway = Gateway::start().await;
    gateway.enqueue("w-1", task("r")).await;

    let report = proto::ReportResultRequest {
        run_id: "r".into(),
        task_id: "r".into(),
        status: "Timed_Out".into(),
        exit_code: -9,
        error_message: "zu spät".into(),
        started_at: "2026-03-01T20:00:00+08:00".into(),
        finished_at: "2026-03-01T12:00:02.5".into(),
        data_json: "{\"ключ\": [1, null]}".into(),
        ..Default::default()
    };
    gateway
        .worker("w-1")
        .report_fully(report)
        .await
        .expect("reports");

    let run = gateway.backend.master.run(&run_id("r")).await;
    let run = run.expect("answers").expect("is known").run;
    assert_eq!(
        (run.status, run.exit_code),
        (Some(RunStatus::Timeout), Some(-9))
    );
    assert_eq!(run.error_message.as_deref(), Some("zu spät"));
    assert_eq!(run.duration.map(|took| took.as_millis()), Some(2500));
    assert_eq!(
        run.data,
        Data::parse(r#"{"ключ": [1, null]}"#).expect("is an object")
    );
    gateway.stop().await;
}

#[tokio::test]
async fn the_first_end_stands_and_another_is_written_down() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("r")).await;

    for status in ["failed", "failed", "success", "running"] {
        worker.report("r", status).await.expect("reports");
    }
    let run = gateway.backend.master.run(&run_id("r")).await;
    let run = run.expect("answers").expect("is known").run;
    assert_eq!(run.status, Some(RunStatus::Failed));
    let events = gateway.audit.latest();
    let conflicts = events
        .iter()
        .filter(|event| matches!(event.action, Action::Conflicted { .. }));
    assert_eq!(conflicts.count(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_run_that_is_unknown_is_not_found() {
    let gateway = Gateway::start().await;

    let refused = gateway.worker("w-1").report("never", "success").await;
    let refused = refused.expect_err("is refused");
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(refused.message(), "run never is unknown");
    gateway.stop().await;
}

#[tokio::test]
async fn a_large_result_fits() {
    let gateway = Gateway::start().await;
    gateway.enqueue("w-1", task("r")).await;

    let blob = "é".repeat(5 << 20);
    let report = proto::ReportResultRequest {
        run_id: "r".into(),
        status: "success".into(),
        data_json: json!({ "blob": blob }).to_string(),
        ..Default::default()
    };
    gateway
        .worker("w-1")
        .report_fully(report)
        .await
        .expect("reports");
    let run = gateway.backend.master.run(&run_id("r")).await;
    let run = run.expect("answers").expect("is known").run;
    assert!(run.data.weight() > 10 << 20);
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_the_field() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("r")).await;
    let report = |change: fn(&mut proto::ReportResultRequest)| {
        let mut report = proto::ReportResultRequest {
            run_id: "r".into(),
            status: "success".into(),
            ..Default::default()
        };
        change(&mut report);
        report
    };

    for (field, report) in [
        ("status", report(|r| r.status = "fine".into())),
        ("status", report(|r| r.status = String::new())),
        ("run_id", report(|r| r.run_id = "a/b".into())),
        ("run_id", report(|r| r.run_id = String::new())),
        ("task_id", report(|r| r.task_id = "a b".into())),
        ("started_at", report(|r| r.started_at = "noon".into())),
        ("finished_at", report(|r| r.finished_at = "noon".into())),
        ("duration_ms", report(|r| r.duration_ms = -1)),
        ("data_json", report(|r| r.data_json = "[]".into())),
    ] {
        let refused = worker.report_fully(report).await.expect_err("is refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(
            refused.message().starts_with(&format!("{field}: ")),
            "{refused:?}"
        );
    }
    gateway.stop().await;
}
