use std::io::{BufRead as _, BufReader};
use std::process::ExitCode;
use std::sync::Arc;

use gateway_adapters::client::{Command, Console, Logs, Output, Queue};
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::log::{LogLine, LogStream};
use gateway_core::domain::run::{Report, RunStatus};
use gateway_core::domain::task::Task;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{Clock, LogSink as _, Master as _, ResultStore as _};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use super::*;

/// A backend, and the door to it; the runtime is the tool's.
struct Place {
    backend: memory::Backend,
    door: OwnDoor,
    runtime: Runtime,
}

fn place() -> Place {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.expect("starts");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let backend = memory::Backend::new(&memory::Settings::default(), &clock);
    let side: OperatorSide = (backend.master.clone(), backend.dead_letters.clone());
    let door = OwnDoor::new("the test".to_owned(), side, runtime.handle().clone());
    Place {
        backend,
        door,
        runtime,
    }
}

impl Place {
    fn enqueue(&self, id: &str) {
        let task = Task::new(TaskId::parse(id).expect("is an identifier"));
        let worker = worker();
        let queued = self.backend.master.enqueue(&worker, task);
        self.runtime.block_on(queued).expect("queues");
    }

    fn write(&self, id: &str, content: &str) {
        let line = LogLine {
            run: run(id),
            stream: LogStream::Stdout,
            content: content.to_owned(),
            timestamp: String::new(),
            sequence: 0,
        };
        let appended = self.backend.log_sink.append(vec![line]);
        self.runtime.block_on(appended).expect("appends");
    }

    fn end(&self, id: &str) {
        let report = Report::new(run(id), worker(), RunStatus::Success, Timestamp::UNIX_EPOCH);
        let recorded = self.backend.result_store.record(&report);
        self.runtime.block_on(recorded).expect("records");
    }
}

#[test]
fn a_tool_sees_what_it_would_see_over_a_socket() {
    let place = place();
    place.enqueue("t");

    let mut seen = Vec::new();
    let mut console = Console {
        out: Output::new(false, &mut seen),
        err: Output::new(false, io::empty()),
    };
    let command = Command::Queue(Queue { json: true });
    let code = client::run(&place.door, &SystemClock, &command, &mut console);
    assert_eq!(code.expect("is done"), ExitCode::SUCCESS);
    drop(console);
    let seen: Value = serde_json::from_slice(&seen).expect("is JSON");
    assert_eq!(seen["queues"][0]["waiting"], 1);
}

#[test]
fn a_refusal_is_an_answer() {
    let place = place();

    let body = json!({"worker_id": "w", "colour": 1});
    let answer = place.door.call(Method::POST, "/api/tasks", Some(&body));
    assert_eq!(answer.expect("answers").status().as_u16(), 400);
    let answer = place.door.call(Method::DELETE, "/api/dead/1-0", None);
    let mut text = String::new();
    let mut body = answer.expect("answers").into_body();
    body.read_to_string(&mut text).expect("arrives");
    assert_eq!(text, r#"{"error":"there is no dead letter 1-0"}"#);
}

#[test]
fn a_log_that_is_followed_comes_line_by_line() {
    let place = place();
    place.enqueue("r");
    place.write("r", "first");

    let answer = place
        .door
        .call(Method::GET, "/api/runs/r/logs?follow=true", None);
    let mut lines = BufReader::new(answer.expect("answers").into_body()).lines();
    let mut next = || lines.next().map(|line| line.expect("arrives"));
    assert!(next().expect("comes").contains("first"));
    // It is written only now, while the log is open.
    place.write("r", "second");
    assert!(next().expect("comes").contains("second"));
    place.end("r");
    assert_eq!(next(), None);
}

#[test]
fn the_tool_for_logs_follows_to_the_end() {
    let place = place();
    place.enqueue("r");
    place.write("r", "all of it");
    place.end("r");

    let mut seen = Vec::new();
    let mut console = Console {
        out: Output::new(false, &mut seen),
        err: Output::new(false, io::empty()),
    };
    let command = Command::Logs(Logs {
        run: "r".to_owned(),
        follow: true,
        json: false,
    });
    let code = client::run(&place.door, &SystemClock, &command, &mut console);
    assert_eq!(code.expect("is done"), ExitCode::SUCCESS);
    drop(console);
    assert_eq!(String::from_utf8(seen).expect("is text"), "all of it\n");
}

fn run(id: &str) -> RunId {
    RunId::parse(id).expect("is an identifier")
}

fn worker() -> WorkerId {
    WorkerId::parse("w").expect("is an identifier")
}
