use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::control::{Command as Told, Recipient, Reply};
use gateway_core::domain::id::TaskId;
use gateway_core::domain::worker::{Load, Os, WorkerStatus};
use gateway_core::ports::WorkerView;

use super::gateway::Gateway;
use super::*;
use crate::inbound::admin::testing::{FakeMaster, at, run, worker};

#[tokio::test]
async fn a_cancel_finds_the_worker_of_its_run() {
    let gateway = Gateway::start().await;
    gateway.master.open("r");
    let cancel = Command::Control(Control::Kill(End {
        run: "r".to_owned(),
        reason: Some("late".to_owned()),
        ..End::default()
    }));

    let seen = gateway.tool(cancel).await;

    assert_eq!(
        (seen.code, seen.out.as_str()),
        (Ok(ExitCode::SUCCESS), "sent: kill run r\n")
    );
    let (to, told) = gateway.master.with(|books| books.sent.remove(0));
    assert_eq!(to, Recipient::Worker(worker("worker-1")));
    let task = TaskId::parse("r").expect("is an identifier");
    let (run, reason) = (Some(run("r")), "late".to_owned());
    assert_eq!(told, Told::Cancel { task, run, reason });
    gateway.stop().await;
}

#[tokio::test]
async fn settings_go_to_all_workers() {
    let gateway = Gateway::start().await;
    let settings = [("level".to_owned(), "debug".to_owned())];
    let configure = Command::Control(Control::Config(Configure {
        settings: settings.clone().into(),
        worker: None,
    }));

    let seen = gateway.tool(configure).await;

    assert_eq!(seen.out, "sent: new settings for all workers\n");
    let (to, told) = gateway.master.with(|books| books.sent.remove(0));
    assert_eq!(
        (to, told),
        (Recipient::Everyone, Told::Configure(settings.into()))
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_runtime_request_waits_for_its_reply() {
    let gateway = Gateway::start().await;
    let worker_side = tokio::spawn(reply(Arc::clone(&gateway.master), &["w"]));

    let seen = gateway.tool(list_envs(Some("w"), 10_000)).await;
    assert_eq!(
        (seen.code, seen.out.as_str()),
        (Ok(ExitCode::SUCCESS), "w: {\"envs\":[]}\n")
    );
    worker_side.await.expect("replies");

    let seen = gateway.tool(list_envs(Some("w"), 1)).await;
    assert_eq!(seen.code, Ok(ExitCode::FAILURE));
    assert_eq!(seen.err, "0 of 1 workers replied within 0.001 seconds\n");
    gateway.stop().await;
}

#[tokio::test]
async fn a_runtime_request_to_all_waits_for_all_who_are_there() {
    let gateway = Gateway::start().await;
    let nobody = gateway.tool(list_envs(None, 10_000)).await;
    assert_eq!(nobody.code, Err("no worker is there to reply".to_owned()));

    be_there(&gateway.master, "a", WorkerStatus::Online);
    be_there(&gateway.master, "b", WorkerStatus::Busy);
    be_there(&gateway.master, "c", WorkerStatus::Offline);
    tokio::spawn(reply(Arc::clone(&gateway.master), &["a", "failing"]));

    let seen = gateway.tool(list_envs(None, 10_000)).await;
    assert_eq!(seen.code, Ok(ExitCode::FAILURE));
    assert_eq!(
        seen.out,
        "a: {\"envs\":[]}\nfailing failed: no such thing\n"
    );
    gateway.stop().await;
}

fn list_envs(worker: Option<&str>, wait: u64) -> Command {
    Command::Control(Control::Runtime(Runtime {
        action: "list_envs".to_owned(),
        worker: worker.map(str::to_owned),
        wait: Duration::from_millis(wait),
        ..Runtime::default()
    }))
}

fn be_there(master: &FakeMaster, name: &str, status: WorkerStatus) {
    let view = WorkerView {
        id: worker(name),
        status,
        load: Load::default(),
        version: String::new(),
        os: Os::default(),
        capabilities: [].into(),
        at: at(0),
    };
    master.with(|books| books.workers.push(view));
}

/// Has these workers reply to what is asked, one after the other.
async fn reply(master: Arc<FakeMaster>, workers: &[&str]) {
    let request = master.is_asked().await;
    for name in workers {
        let success = *name != "failing";
        let text = |wanted, text: &str| {
            if wanted {
                text.to_owned()
            } else {
                String::new()
            }
        };
        let reply = Reply {
            request: request.clone(),
            success,
            data: text(success, r#"{"envs": []}"#),
            error: text(!success, "no such thing"),
            reply_stream: None,
        };
        master.with(|books| books.replies.push((worker(name), reply)));
    }
}
