//! What is counted, and who may ask.

#[cfg(all(feature = "redis", feature = "mysql"))]
mod backends;

use std::collections::BTreeSet;
use std::fs;

use gateway_adapters::metrics::{ALL, Kind};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic::codegen::Service as _;

use crate::support::{Program, Scrape, Worker, proto};

fn local_worker(program: &Program) -> Worker {
    let key = fs::read_to_string(program.folder().join(".antcode-local-key")).expect("is there");
    Worker::new(program.grpc, "local", Some(key.trim()))
}

#[tokio::test]
async fn every_metric_is_told_from_the_start_and_nothing_else_is() {
    let program = Program::start(&[]).await;
    let told = Scrape::of(program.admin).await;

    let kinds: Vec<_> = told.kinds.iter().collect();
    let mut expected: Vec<_> = ALL.iter().collect();
    expected.sort_by_key(|metric| metric.name);
    let name_and_kind = expected
        .iter()
        .map(|metric| (metric.name, metric.kind.as_str()));
    assert!(
        kinds
            .iter()
            .map(|(name, kind)| (name.as_str(), kind.as_str()))
            .eq(name_and_kind),
        "{kinds:?}"
    );
    for metric in ALL {
        assert_eq!(
            told.helps.get(metric.name).map(String::as_str),
            Some(metric.help)
        );
    }
    for series in told.series.keys() {
        let name = series.split('{').next().expect("has a name");
        let metric = ALL.iter().find(|metric| {
            let rest = name.strip_prefix(metric.name);
            rest.is_some_and(|rest| match metric.kind {
                Kind::Counter | Kind::Gauge => rest.is_empty(),
                Kind::Histogram => ["_bucket", "_sum", "_count"].contains(&rest),
            })
        });
        let metric = metric.unwrap_or_else(|| panic!("{series} is none of ours"));
        let bucket = name.ends_with("_bucket").then_some("le");
        let labels: BTreeSet<_> = metric.labels.iter().copied().chain(bucket).collect();
        assert_eq!(labels_of(series), labels, "{series}");
    }
    program.stop().await;
}

/// The names of a series' labels. No value of ours has a comma in it.
fn labels_of(series: &str) -> BTreeSet<&str> {
    let labels = series.split_once('{').map_or("", |(_, labels)| labels);
    let labels = labels.trim_end_matches('}').split(',');
    let names = labels.filter_map(|label| label.split_once('=').map(|(name, _)| name));
    names.collect()
}

/// What a worker's two tasks leave behind.
const COUNTED: &[(&str, f64)] = &[
    (r#"calls_total{rpc="SendLogBatch",code="OK"}"#, 1.0),
    (r#"calls_total{rpc="AckTask",code="OK"}"#, 2.0),
    (r#"calls_total{rpc="ReportResult",code="OK"}"#, 1.0),
    (r#"calls_total{rpc="ReportResult",code="NOT_FOUND"}"#, 1.0),
    (
        r#"calls_total{rpc="SendHeartbeat",code="UNAUTHENTICATED"}"#,
        1.0,
    ),
    (r#"call_duration_seconds_count{rpc="ReportResult"}"#, 2.0),
    (r#"tasks_total{event="handed_out"}"#, 2.0),
    (r#"tasks_total{event="redelivered"}"#, 0.0),
    (r#"tasks_total{event="settled"}"#, 1.0),
    (r#"tasks_total{event="given_back"}"#, 1.0),
    (r#"tasks_total{event="dead"}"#, 1.0),
    ("log_lines_total", 2.0),
    (r#"log_bytes_total{kind="lines"}"#, 10.0),
    // The task that was given up had its end recorded, too.
    (r#"results_total{outcome="committed"}"#, 2.0),
    (r#"results_total{outcome="refused"}"#, 1.0),
];

#[tokio::test]
async fn what_becomes_of_calls_tasks_logs_and_results_is_counted() {
    let program = Program::start(&[("TASK_MAX_RETURNS", "1")]).await;
    let worker = local_worker(&program);
    let port = program.admin.port().to_string();
    for run in ["run-1", "run-2"] {
        let words = ["enqueue", "--run-id", run, "--entry-point", "main.py"];
        let (status, _, log) = Program::run(&words, &[("ADMIN_PORT", &port)]).await;
        assert!(status.success(), "{log}");
    }
    let (_, receipt) = worker.take().await;
    let line = proto::LogEntry {
        run_id: "run-1".into(),
        content: "12345".into(),
        ..Default::default()
    };
    worker
        .log(vec![line.clone(), line])
        .await
        .expect("is stored");
    worker.report("run-1", "success").await.expect("is stored");
    worker
        .report("run-9", "success")
        .await
        .expect_err("is unknown");
    worker.ack(&receipt, true).await.expect("settles");
    let (_, receipt) = worker.take().await;
    worker.ack(&receipt, false).await.expect("gives back");
    while worker.poll(2_000).await.expect("polls").has_task {}
    let stranger = Worker::new(program.grpc, "local", Some("wrong"));
    stranger.beat(0).await.expect_err("is refused");

    Scrape::until(program.admin, COUNTED).await;
    program.stop().await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_counted_as_what_it_is_told() {
    let program = Program::start(&[("GRPC_REQUEST_TIMEOUT", "1")]).await;

    let overdue = local_worker(&program).begin_call("SendHeartbeat").await;
    let overdue = overdue.expect_err("is overdue");
    assert_eq!(overdue.code(), tonic::Code::DeadlineExceeded);
    assert!(overdue.metadata().contains_key("x-request-id"));
    let counted = [
        (
            r#"calls_total{rpc="SendHeartbeat",code="DEADLINE_EXCEEDED"}"#,
            1.0,
        ),
        (r#"calls_total{rpc="SendHeartbeat",code="CANCELLED"}"#, 0.0),
    ];
    Scrape::until(program.admin, &counted).await;
    program.stop().await;
}

/// (T28) Whatever clients send, the number of series stays.
#[tokio::test]
async fn nothing_that_a_client_sends_becomes_a_series() {
    let program = Program::start(&[("AUTH_ENABLED", "false")]).await;
    let before = Scrape::of(program.admin).await;
    let worker = |name: &str| Worker::new(program.grpc, name, Some("hunter2"));

    for number in 0..50 {
        let name = format!("forged-{number}");
        let worker = worker(&name);
        worker.beat(0).await.expect("is believed");
        worker
            .report(&name, "success")
            .await
            .expect_err("is unknown");
        let call = worker.begin_call(&name).await;
        call.expect_err("there is no such call");
    }
    let refused = (r#"calls_total{rpc="other",code="UNIMPLEMENTED"}"#, 50.0);
    Scrape::until(program.admin, &[refused]).await;
    let after = Scrape::of(program.admin).await;
    let new = |series: &&String| !before.series.contains_key(*series);
    assert_eq!(after.series.keys().find(new), None);
    program.stop().await;
}

/// (T32) The operator's port is for this machine, unless somebody says otherwise.
#[tokio::test]
async fn the_operators_port_answers_on_loopback_alone() {
    let program = Program::start(&[("GRPC_HOST", "0.0.0.0")]).await;
    let elsewhere = |port| ("127.0.0.2", port);

    // A port that listens everywhere answers there, so one that does not is not everywhere.
    let open = TcpStream::connect(elsewhere(program.grpc.port())).await;
    open.expect("answers everywhere");
    let closed = TcpStream::connect(elsewhere(program.admin.port())).await;
    closed.expect_err("answers at 127.0.0.1 alone");
    program.stop().await;
}

/// (T32) Workers reach nothing of the operator's.
#[tokio::test]
async fn the_workers_port_has_no_metrics() {
    let program = Program::start(&[]).await;
    let mut channel = local_worker(&program).channel();

    for path in ["/metrics", "/healthz", "/readyz", "/api/runs"] {
        let uri = format!("http://{}{path}", program.grpc);
        let request = http::Request::get(uri).body(Body::empty());
        std::future::poll_fn(|cx| channel.poll_ready(cx))
            .await
            .expect("connects");
        let answer = channel.call(request.expect("is a request")).await;
        let answer = answer.expect("is answered");
        assert_eq!(answer.headers()["grpc-status"], "12", "{path}: {answer:?}");
    }
    program.stop().await;
}
