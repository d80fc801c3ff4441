//! The example worker against the built program: tasks run as real processes, to their end.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::Program;

/// The example worker, running beside a gateway.
struct Example {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts it where the gateway left the key, and waits until it has registered.
    async fn start(program: &Program) -> Self {
        let program_itself = PathBuf::from(env!("CARGO_BIN_EXE_antcode-gateway"));
        let worker = program_itself.with_file_name("examples").join("worker");
        let mut child = Command::new(&worker)
            .args(["--gateway", &format!("http://{}", program.grpc)])
            .current_dir(program.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("is built; build it with: cargo build --example worker");
        let stdout = child.stdout.take().expect("is piped");
        let mut example = Self {
            child,
            says: BufReader::new(stdout).lines(),
        };
        example.until("registered").await;
        example
    }

    /// Waits until it says something that begins with `words`.
    async fn until(&mut self, words: &str) {
        while let Some(line) = self.says.next_line().await.expect("reads") {
            if line.starts_with(words) {
                return;
            }
        }
        panic!("the worker ended before it said {words:?}");
    }

    async fn kill(mut self) {
        self.child.kill().await.expect("is killed");
    }
}

/// Uses a tool of the operator; what it wrote to stdout.
async fn tool(program: &Program, arguments: &[&str]) -> String {
    let (status, said, complaint) = try_tool(program, arguments).await;
    assert_eq!(status, Some(0), "{arguments:?}: {said}\n{complaint}");
    said
}

async fn try_tool(program: &Program, arguments: &[&str]) -> (Option<i32>, String, String) {
    let port = program.admin.port().to_string();
    let (status, said, complaint) = Program::run(arguments, &[("ADMIN_PORT", &port)]).await;
    (status.code(), said, complaint)
}

async fn run(program: &Program, run: &str) -> Value {
    let said = tool(program, &["runs", run, "--json"]).await;
    serde_json::from_str(&said).expect("is JSON")
}

/// Queues a shell script under the name `name`.
async fn enqueue(program: &Program, name: &str, script: &str) {
    let arguments = ["enqueue", "--run-id", name, "--", "sh", "-c", script];
    tool(program, &arguments).await;
}

/// Follows a run to its end; its log.
async fn follow(program: &Program, run: &str) -> String {
    tool(program, &["logs", run, "--follow"]).await
}

#[tokio::test]
async fn unicode_comes_through_and_success_is_told() {
    let program = Program::start(&[]).await;
    let worker = Example::start(&program).await;

    let script = "printf 'žluťoučký 蚂蚁 🐜\\n'; echo \"$GREETING\"";
    let said = tool(
        &program,
        &[
            "enqueue",
            "--follow",
            "--run-id",
            "r",
            "--env",
            "GREETING=привет",
            "--",
            "sh",
            "-c",
            script,
        ],
    )
    .await;
    assert!(
        said.contains("žluťoučký 蚂蚁 🐜\n") && said.contains("привет\n"),
        "{said}"
    );
    assert_eq!(run(&program, "r").await["status"], "success");
    worker.kill().await;
    program.stop().await;
}

#[tokio::test]
async fn a_program_that_fails_is_told_by_its_exit_code() {
    let program = Program::start(&[]).await;
    let worker = Example::start(&program).await;

    let fails = [
        "enqueue",
        "--follow",
        "--run-id",
        "r",
        "--",
        "sh",
        "-c",
        "echo oh >&2; exit 7",
    ];
    let (status, _, said) = try_tool(&program, &fails).await;
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("oh"), "{said}");
    let run = run(&program, "r").await;
    assert_eq!(
        (&run["status"], &run["exit_code"]),
        (&"failed".into(), &7.into())
    );
    worker.kill().await;
    program.stop().await;
}

#[tokio::test]
async fn a_run_is_cancelled_while_it_runs() {
    let program = Program::start(&[]).await;
    let mut worker = Example::start(&program).await;
    enqueue(&program, "r", "echo begun; sleep 1000").await;
    worker.until("run r").await;

    tool(&program, &["control", "cancel", "r"]).await;
    follow(&program, "r").await;
    assert_eq!(run(&program, "r").await["status"], "cancelled");
    worker.kill().await;
    program.stop().await;
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_ended_with_all_it_started() {
    let program = Program::start(&[]).await;
    let worker = Example::start(&program).await;

    let script = "trap '' TERM; sleep 1000 & wait";
    let arguments = [
        "enqueue",
        "--run-id",
        "r",
        "--timeout",
        "1",
        "--",
        "sh",
        "-c",
        script,
    ];
    tool(&program, &arguments).await;
    follow(&program, "r").await;
    assert_eq!(run(&program, "r").await["status"], "timeout");
    worker.kill().await;
    program.stop().await;
}

#[tokio::test]
async fn of_a_hundred_thousand_lines_none_is_lost_and_all_are_in_order() {
    let program = Program::start(&[]).await;
    let worker = Example::start(&program).await;

    enqueue(&program, "r", "seq 1 100000").await;
    let said = follow(&program, "r").await;
    assert!(
        said.lines().map(str::parse).eq((1..=100_000).map(Ok)),
        "{} lines",
        said.lines().count()
    );
    let again = tool(&program, &["logs", "r"]).await;
    assert_eq!(again, said);
    worker.kill().await;
    program.stop().await;
}

#[tokio::test]
async fn the_task_of_a_worker_that_was_killed_runs_once_more_when_it_is_back() {
    let program = Program::start(&[]).await;
    let mut worker = Example::start(&program).await;
    // The first of two runs takes for ever, and is still at it when its worker is gone.
    let script = "if mkdir first; then echo first; sleep 1000; else echo second; fi";
    enqueue(&program, "r", script).await;
    worker.until("run r").await;
    tool(&program, &["logs", "r"]).await;

    worker.kill().await;
    let mut worker = Example::start(&program).await;
    worker.until("run r").await;
    let said = follow(&program, "r").await;
    assert_eq!(
        said.lines().filter(|line| line.contains("second")).count(),
        1,
        "{said}"
    );
    let run = run(&program, "r").await;
    assert_eq!(run["status"], "success", "{run}");
    worker.kill().await;
    program.stop().await;
}
