//! The tools and the admin port, over a real socket.

mod control;
mod dead;
mod endings;
mod gateway;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::id::RunId;
use gateway_core::domain::log::LogStream::{Stderr, Stdout};
use gateway_core::domain::run::{Data, RunStatus};
use serde_json::{Value, json};

use self::gateway::Gateway;
use super::*;
use crate::inbound::admin::testing::run;

#[tokio::test]
async fn a_task_is_queued_and_followed_to_its_end() {
    let gateway = Gateway::start().await;
    let master = Arc::clone(&gateway.master);
    let worker_side = tokio::spawn(async move {
        master.is_waited_for(1).await;
        let (_, task) = master.with(|books| books.tasks[0].clone());
        master.write(&task.run, Stdout, "working\tü");
        master.write(&task.run, Stderr, "oh");
        master.end(&task.run, RunStatus::Failed, 3);
        task
    });
    let task = NewTask {
        worker: "worker-1".to_owned(),
        run_id: Some("r".to_owned()),
        timeout: Some(60),
        params: [("0".to_owned(), "-c".to_owned())].into(),
        entry_point: Some("sh".to_owned()),
        ..NewTask::default()
    };

    let seen = gateway
        .tool(Command::Enqueue(Enqueue { task, follow: true }))
        .await;

    let task = worker_side.await.expect("runs");
    let id = &task.id;
    let out = format!(
        "queued run r (task {id}) for worker-1\nworking\tü\nrun r ended: failed, exit code 3, after 2.00s\n"
    );
    assert_eq!((seen.out, seen.err.as_str()), (out, "oh\n"));
    assert_eq!(seen.code, Ok(ExitCode::FAILURE));
    assert_eq!(task.timeout, Duration::from_mins(1));
    assert_eq!((task.entry_point.as_str(), task.params.len()), ("sh", 1));
    gateway.stop().await;
}

#[tokio::test]
async fn a_task_that_is_not_followed_comes_with_a_hint() {
    let gateway = Gateway::start().await;

    let seen = gateway.tool(enqueue("r", false)).await;

    assert_eq!(seen.code, Ok(ExitCode::SUCCESS));
    assert!(seen.out.starts_with("queued run r (task task-"));
    assert_eq!(
        seen.err,
        "follow it with: antcode-gateway logs r --follow\n"
    );
    let again = gateway.tool(enqueue("r", false)).await;
    assert_eq!(again.code, Err("run r exists already".to_owned()));
    gateway.stop().await;
}

#[tokio::test]
async fn a_run_that_ends_well_ends_the_tool_well() {
    let gateway = Gateway::start().await;
    let master = Arc::clone(&gateway.master);
    tokio::spawn(async move {
        master.is_waited_for(1).await;
        master.end(&run("r"), RunStatus::Success, 0);
    });

    let seen = gateway.tool(enqueue("r", true)).await;

    assert_eq!(seen.code, Ok(ExitCode::SUCCESS));
    gateway.stop().await;
}

#[tokio::test]
async fn runs_are_a_table_or_json_or_one_in_detail() {
    let gateway = Gateway::start().await;
    gateway.master.open("run-1");
    let ended = gateway.master.open("r2");
    gateway.master.end(&ended, RunStatus::Timeout, -9);
    gateway.master.with(|books| {
        let run = &mut books.runs[0].run;
        run.error_message = Some("too slow\nby far".to_owned());
        run.data = Data::parse(r#"{"rows": 7}"#).expect("is an object");
    });
    let show = |run: Option<&str>, json| {
        let run = run.map(str::to_owned);
        gateway.tool(Command::Runs(Runs { run, json }))
    };

    let table = "\
RUN    TASK   WORKER    STATUS   EXIT  STARTED               DURATION  MESSAGE
r2     r2     worker-1  timeout  -9    2026-11-22T10:00:01Z  2.00s     too slow…
run-1  run-1  worker-1  pending
";
    assert_eq!(show(None, false).await.out, table);
    let details = "\
run        r2
task       r2
worker     worker-1
status     timeout
exit code  -9
created    2026-11-22T10:00:00Z
started    2026-11-22T10:00:01Z
finished   2026-11-22T10:00:03Z
duration   2.00s
message    too slow
           by far
data       {
             \"rows\": 7
           }
";
    assert_eq!(show(Some("r2"), false).await.out, details);
    let json: Value = show(None, true).await.out.parse().expect("is JSON");
    assert_eq!(json["runs"][0]["data"], json!({"rows": 7}));
    let json: Value = show(Some("r2"), true).await.out.parse().expect("is JSON");
    assert_eq!(json["exit_code"], -9);
    gateway.stop().await;
}

#[tokio::test]
async fn a_log_is_printed_to_where_it_was_written() {
    let gateway = Gateway::start().await;
    let run = gateway.master.open("r");
    gateway.master.write(&run, Stdout, "\u{1b}[1ma");
    gateway.master.write(&run, Stderr, "b");
    gateway.master.write(&run, Stdout, "c");

    let seen = gateway.tool(logs("r", false)).await;
    assert_eq!(
        (seen.out.as_str(), seen.err.as_str()),
        ("\u{1b}[1ma\nc\n", "b\n")
    );
    let seen = gateway.terminal(logs("r", false)).await;
    assert_eq!(seen.out, "\\u001b[1ma\nc\n");
    let seen = gateway.tool(logs("r", true)).await;
    let line: Value = seen
        .out
        .lines()
        .nth(1)
        .expect("is there")
        .parse()
        .expect("is JSON");
    assert_eq!((&line["index"], &line["content"]), (&1.into(), &"b".into()));
    gateway.stop().await;
}

#[tokio::test]
async fn lines_that_were_dropped_are_replaced_by_the_complete_files() {
    let gateway = Gateway::start().await;
    let run = gateway.master.open("r");
    gateway.master.write(&run, Stdout, "a");
    gateway.master.write(&run, Stdout, "b");
    gateway.master.with(|books| books.dropped = 1);
    let dropped = "lines no longer held in memory: 1\n";

    let seen = gateway.tool(logs("r", false)).await;
    assert_eq!((seen.out.as_str(), seen.err.as_str()), ("b\n", dropped));

    let file = |of: &RunId, stream, bytes: &[u8], complete| {
        let file = (bytes.to_vec(), complete);
        gateway
            .master
            .with(|books| books.files.insert((of.clone(), stream), file));
    };
    file(&run, Stdout, b"a\nb\xff", true);
    file(&run, Stderr, b"", false);
    let seen = gateway.tool(logs("r", false)).await;
    assert_eq!((seen.out.as_str(), seen.err.as_str()), ("b\n", dropped));

    file(&run, Stderr, b"c\n", true);
    let seen = gateway.tool(logs("r", false)).await;
    assert_eq!(seen.out, "a\nb\u{fffd}");
    assert_eq!(
        seen.err,
        format!("{dropped}printing the log files instead\nc\n")
    );
    gateway.stop().await;
}

#[tokio::test]
async fn what_goes_wrong_is_a_sentence() {
    let gateway = Gateway::start().await;

    for (command, wanted) in [
        (logs("r", false), "run r is unknown"),
        (logs("a/b", false), "run_id: 1 to 64"),
        (
            Command::Runs(Runs {
                run: Some("x".to_owned()),
                json: true,
            }),
            "run x is unknown",
        ),
        (
            Command::Control(Control::Cancel(End {
                run: "x".to_owned(),
                ..End::default()
            })),
            "run x is unknown",
        ),
        (Command::Enqueue(Enqueue::default()), "worker_id: 1 to 64"),
    ] {
        let told = gateway.tool(command).await.code.expect_err("is refused");
        assert!(told.starts_with(wanted), "{told}");
    }
    let base = gateway.base.clone();
    gateway.stop().await;

    let told = gateway::tool(base.clone(), logs("r", false), false)
        .await
        .code;
    let told = told.expect_err("nobody is there");
    let wanted = format!("no gateway answers at {base} (");
    assert!(
        told.starts_with(&wanted) && told.contains("ADMIN_PORT"),
        "{told}"
    );
}

#[tokio::test]
async fn without_a_master_the_tools_say_what_is_missing() {
    let gateway = Gateway::start_without_master().await;

    let told = gateway
        .tool(logs("r", false))
        .await
        .code
        .expect_err("is refused");

    assert!(told.starts_with("no local Master here"), "{told}");
    gateway.stop().await;
}

fn enqueue(run: &str, follow: bool) -> Command {
    let task = NewTask {
        worker: "worker-1".to_owned(),
        run_id: Some(run.to_owned()),
        ..NewTask::default()
    };
    Command::Enqueue(Enqueue { task, follow })
}

fn logs(run: &str, json: bool) -> Command {
    Command::Logs(Logs {
        run: run.to_owned(),
        follow: false,
        json,
    })
}
