//! The chain that the built program writes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::servers::until;
use crate::support::{Program, Worker, said};

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("makes a folder");
    let file = folder.path().join("audit.jsonl");
    (folder, file)
}

fn records(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("reads");
    said(&text);
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("is JSON")
}

async fn verify(file: &str) -> (Option<i32>, String) {
    let set = [("AUDIT_FILE", file)];
    let (status, said, _) = Program::run(&["audit", "verify"], &set).await;
    (status.code(), said)
}

#[tokio::test]
async fn what_happens_is_in_the_file_by_the_end_and_the_chain_holds() {
    let (_folder, file) = place();
    let name = file.to_str().expect("is text");
    let program = Program::start(&[("AUDIT_FILE", name)]).await;
    let stranger = Worker::new(program.grpc, "w-1", Some("hunter2"));
    let refused = stranger.poll(1).await.expect_err("is refused");
    let settings = [("ADMIN_PORT", &*program.admin.port().to_string())];
    let queued = ["enqueue", "--", "echo", "hello"];
    let (status, _, error) = Program::run(&queued, &settings).await;
    assert!(status.success(), "{error}");
    program.stop().await;

    let records = records(&file);
    let actions: Vec<_> = records.iter().map(|record| &record["action"]).collect();
    assert_eq!(actions, ["started", "rejected", "administered", "stopped"]);
    let rejected = &records[1];
    let request = refused.metadata().get("x-request-id").expect("has a name");
    for (field, value) in [
        ("outcome", "refused"),
        ("peer", "127.0.0.1"),
        ("claimed", "w-1"),
        ("call", "PollTask"),
        ("subject", "api key"),
        ("request", request.to_str().expect("is text")),
    ] {
        assert_eq!(rejected[field], value, "{field}");
    }
    assert_eq!(records[2]["peer"], "127.0.0.1");
    let (code, said) = verify(name).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("4 records"), "{said}");

    let text = fs::read_to_string(&file).expect("reads");
    assert!(!text.contains("hunter2"), "{text}");
    fs::write(&file, text.replacen("refused", "allowed", 1)).expect("writes");
    let (code, said) = verify(name).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("audit.jsonl:2: record 2 was changed"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_leaves_a_chain_that_goes_on() {
    let (_folder, file) = place();
    let name = file.to_str().expect("is text");
    let settings = [
        ("AUDIT_FILE", name),
        ("AUDIT_FILE_MAX_BYTES", "4096"),
        ("AUDIT_FILES_KEPT", "1000"),
        ("AUTH_ENABLED", "false"),
        ("RATE_LIMIT_ENABLED", "false"),
    ];
    for round in 1..=3 {
        let program = Program::start(&settings).await;
        let mut calls = JoinSet::new();
        for _ in 0..8 {
            let worker = Worker::new(program.grpc, "w-1", None);
            // What changes something is written every time.
            calls.spawn(async move { while worker.register().await.is_ok() {} });
        }
        until("it is rotated", || async {
            let files = fs::read_dir(file.parent().expect("has one")).expect("reads");
            (files.count() > 3 * round).then_some(())
        })
        .await;
        program.signal("KILL");
        program.end().await;
        calls.join_all().await;
    }
    // What the last one left of a line is cut off by the next.
    Program::start(&settings).await.stop().await;

    let (code, said) = verify(name).await;
    assert_eq!(code, Some(0), "{said}");
    let last = records(&file);
    assert_eq!(last.last().expect("has one")["action"], "stopped");

    let oldest = format!("{name}.{:012}", 1);
    fs::remove_file(oldest).expect("is there");
    let (code, said) = verify(name).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("broken: records 1 to "), "{said}");
}

/// T34: whoever is refused over and over does not flush out what else is written, and the end
/// leaves no count behind.
#[tokio::test]
async fn refusals_that_repeat_themselves_are_counted() {
    let (_folder, file) = place();
    let name = file.to_str().expect("is text");
    let program = Program::start(&[
        ("AUDIT_FILE", name),
        ("AUTH_FAILURES_PER_MINUTE", "1000000"),
    ])
    .await;
    let stranger = Worker::new(program.grpc, "w-1", Some("wrong"));
    for _ in 0..50 {
        stranger.poll(1).await.expect_err("is refused");
    }
    program.stop().await;

    let records = records(&file);
    let rejected = records.iter().filter(|it| it["action"] == "rejected");
    let times: Vec<_> = rejected
        .map(|it| it["times"].as_u64().unwrap_or(1))
        .collect();
    assert_eq!(times.iter().sum::<u64>(), 50, "{times:?}");
    assert_eq!(times[..20], [1; 20]);
    assert_eq!(times.len(), 21);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_stops_the_start() {
    let set = [("AUDIT_FILE", "/nowhere/audit.jsonl")];
    let (status, _, error) = Program::run(&[], &set).await;

    assert_eq!(status.code(), Some(1));
    assert!(
        error.contains("AUDIT_FILE: /nowhere/audit.jsonl: "),
        "{error}"
    );
}

#[tokio::test]
async fn on_standard_output_it_is_a_chain_as_well() {
    let mut program = Program::start(&[("AUDIT_FILE", "-"), ("AUTH_ENABLED", "false")]).await;
    let mut lines = program.stdout();
    let first = lines.next_line().await.expect("reads").expect("has one");
    let first: Value = serde_json::from_str(&first).expect("is JSON");
    assert_eq!(
        (&first["seq"], &first["action"]),
        (&1.into(), &"started".into())
    );
    program.stop().await;
}
