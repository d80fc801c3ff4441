//! The built program: starts, answers, refuses bad settings, ends on a signal.

use std::fs;

use tokio::net::TcpStream;

use crate::support::{Program, Scrape, Worker};

fn local_worker(program: &Program) -> Worker {
    let key = fs::read_to_string(program.folder().join(".antcode-local-key")).expect("is there");
    Worker::new(program.grpc, "local", Some(key.trim()))
}

#[tokio::test]
async fn it_starts_with_nothing_and_says_how_to_call_it() {
    let mut program = Program::start(&[]).await;
    let worker = local_worker(&program);
    worker.register().await.expect("registers");

    let mut stdout = program.stdout();
    let mut said = String::new();
    while !said.contains("cargo run --example worker") {
        let line = stdout.next_line().await.expect("reads");
        said.push_str(&line.expect("says how to call it"));
    }
    assert!(said.contains("ANTCODE_API_KEY="), "{said}");
    let folder = program.folder().to_owned();
    program.stop().await;
    assert!(!folder.join(".antcode-local-key").exists());
}

#[tokio::test]
async fn every_problem_with_its_settings_is_told_at_once() {
    let bad = [
        ("GRPC_PORT", "70000"),
        ("TASK_MAX_RETURNS", "none"),
        ("DATABASE_URL", "postgres://user:hunter2@db/antcode"),
        ("GRPC_TLS_CERT_PATH", "cert.pem"),
    ];
    for arguments in [&[][..], &["check"]] {
        let (status, _, said) = Program::run(arguments, &bad).await;

        assert_eq!(status.code(), Some(1), "{said}");
        for (name, _) in bad {
            assert!(said.contains(name), "{name} is not in {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn check_prints_the_settings_and_what_would_run() {
    let (status, said, log) = Program::run(&["check"], &[("RATE_LIMIT_RATE", "7.5")]).await;

    assert!(status.success(), "{log}");
    for part in [
        "RATE_LIMIT_RATE",
        "7.5",
        "environment",
        "task queue",
        "memory",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[tokio::test]
async fn what_was_given_up_is_taken_out_again_by_the_tools() {
    let program = Program::start(&[("TASK_MAX_RETURNS", "1")]).await;
    let port = program.admin.port().to_string();
    let tool = async |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let (status, said, log) = Program::run(&words, &[("ADMIN_PORT", &port)]).await;
        assert!(status.success(), "{line}: {log}");
        said
    };
    let worker = local_worker(&program);
    tool("enqueue --run-id r --entry-point main.py").await;
    let (_, receipt) = worker.take().await;
    worker.ack(&receipt, false).await.expect("gives back");
    while worker.poll(2_000).await.expect("polls").has_task {}

    let listed = tool("dead list --json").await;
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("is JSON");
    let id = listed["dead"][0]["id"].as_str().expect("has a name");
    assert!(tool(&format!("dead show {id}")).await.contains("main.py"));
    assert!(tool("queue").await.contains("dead letters: 1"));
    tool(&format!("dead requeue {id}")).await;
    let (dispatch, _) = worker.take().await;
    assert_eq!(
        (dispatch.run_id.as_str(), dispatch.entry_point.as_str()),
        ("r", "main.py")
    );
    let queue = tool("queue").await;
    assert!(
        queue.contains("local") && queue.contains("dead letters: 0"),
        "{queue}"
    );
    program.stop().await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn on_redis_a_tool_needs_no_gateway() {
    // Nobody listens there, and the tool asks nobody else.
    let redis = ("REDIS_URL", "redis://:hunter2@127.0.0.1:1");
    let (status, _, said) = Program::run(&["queue"], &[redis]).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        !said.contains("ADMIN_PORT") && !said.contains("hunter2"),
        "{said}"
    );

    let settings = [redis, ("ADMIN_API", "true"), ("ADMIN_PORT", "1")];
    let (status, _, said) = Program::run(&["queue"], &settings).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("no gateway answers"), "{said}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_by_its_setting() {
    let program = Program::start(&[]).await;
    let port = program.grpc.port().to_string();

    let (status, _, said) = Program::run(&[], &[("GRPC_PORT", &port)]).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("GRPC_PORT") && said.contains(&port), "{said}");
    program.stop().await;
}

#[tokio::test]
async fn a_keys_file_that_is_none_stops_the_start() {
    let keys = tempfile::NamedTempFile::new().expect("makes a file");
    fs::write(keys.path(), "{\"w-1\": \"hunter2\"}").expect("writes");
    let path = keys.path().to_str().expect("is UTF-8");

    let (status, _, said) = Program::run(&[], &[("API_KEYS_FILE", path)]).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("API_KEYS_FILE") && said.contains("w-1"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn silent_peers_do_not_hold_the_process_up() {
    let program = Program::start(&[("GRPC_SHUTDOWN_GRACE_PERIOD", "3600")]).await;
    let mut silent = Vec::new();
    for address in [program.grpc, program.admin] {
        silent.push(TcpStream::connect(address).await.expect("connects"));
    }
    local_worker(&program).beat(0).await.expect("is served");

    program.stop().await;
}

// R16
#[tokio::test]
async fn while_its_going_is_announced_it_serves_and_a_second_signal_ends_it() {
    let mut program = Program::start(&[("GRPC_DRAIN_DELAY", "3600")]).await;
    local_worker(&program).beat(0).await.expect("is served");

    program.signal("TERM");
    let told = "shutting down, a second signal ends the process at once";
    program.logged(told).await;
    not_ready(&program).await;
    local_worker(&program)
        .beat(0)
        .await
        .expect("gets in as before");
    program.signal("INT");
    let (status, log) = program.end().await;
    assert_eq!(status.code(), Some(130), "{log}");
}

/// Waits until a probe is told that it is not ready.
async fn not_ready(program: &Program) {
    let url = format!("http://{}/readyz", program.admin);
    let asked = tokio::task::spawn_blocking(move || {
        while ureq::get(&url).call().is_ok() {}
        ureq::get(&url).call().expect_err("is not ready")
    });
    let refused = asked.await.expect("does not panic");
    assert!(matches!(refused, ureq::Error::StatusCode(503)), "{refused}");
}

#[tokio::test]
async fn a_second_signal_forces_the_exit() {
    let mut program = Program::start(&[("GRPC_SHUTDOWN_GRACE_PERIOD", "3600")]).await;
    let worker = local_worker(&program);
    worker.beat(0).await.expect("is served");
    let unfinished = tokio::spawn(worker.clone().begin_call("SendHeartbeat"));
    // The call is sent while the first of these waits, so the second comes behind it.
    for _ in 0..2 {
        worker.beat(0).await.expect("is served");
    }

    program.signal("TERM");
    let told = "shutting down, a second signal ends the process at once";
    program.logged(told).await;
    program.signal("INT");
    let (status, log) = program.end().await;
    assert_eq!(status.code(), Some(130), "{log}");
    unfinished.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_for_those_who_should_read_its_log() {
    // Of each frame it says some lines; a pipe takes some hundreds of them.
    let talkative = [
        ("LOG_LEVEL", "info,h2=trace"),
        ("RATE_LIMIT_ENABLED", "false"),
    ];
    let mut program = Program::start(&talkative).await;
    let worker = local_worker(&program);
    program.leave_its_log();
    for _ in 0..10_000 {
        worker.beat(0).await.expect("is served");
    }
    let counted = Scrape::of(program.admin).await;
    let dropped = counted.value("own_log_lines_dropped_total");
    assert!(dropped.is_some_and(|lines| lines > 0.0), "{dropped:?}");
    program.signal("TERM");
    let status = program.ended().await;
    assert!(status.success(), "{status}");
}
