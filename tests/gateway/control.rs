//! What the platform tells workers, and what they reply.

use std::time::Duration;

use gateway_core::domain::control::{Command, Recipient};
use gateway_core::domain::id::{RequestId, TaskId};
use gateway_core::ports::Master as _;
use proto::control_message::Payload;
use tonic::Code;

use crate::support::{Gateway, Worker, proto, run_id, worker_id};

fn to(worker: &str) -> Recipient {
    Recipient::Worker(worker_id(worker))
}

fn cancel(task: &str) -> Command {
    Command::Cancel {
        task: TaskId::parse(task).expect("is an identifier"),
        run: Some(run_id(task)),
        reason: "no longer needed".into(),
    }
}

fn ping(request: &str) -> Command {
    Command::Runtime {
        request: RequestId::parse(request).expect("is an identifier"),
        action: "ping".into(),
        reply_stream: format!("antcode:control:reply:{request}"),
        payload: "{\"deep\":{\"é\":1}}".into(),
    }
}

async fn next(worker: &Worker) -> (Payload, String) {
    let polled = worker.poll_control(30_000).await.expect("polls");
    let control = polled.control.expect("there is a command");
    (control.payload.expect("is a command"), polled.receipt_id)
}

#[tokio::test]
async fn each_kind_of_command_arrives_whole() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let master = &gateway.backend.master;
    let config = [("a".to_owned(), "1".to_owned())];
    for command in [
        cancel("t"),
        Command::Configure(config.clone().into()),
        ping("q"),
    ] {
        master.send(&to("w-1"), command).await.expect("is sent");
    }

    let (first, receipt) = next(&worker).await;
    let expected = proto::TaskCancel {
        task_id: "t".into(),
        run_id: "t".into(),
    };
    assert_eq!(first, Payload::TaskCancel(expected));
    worker.ack_control(&receipt).await.expect("acks");
    worker.ack_control(&receipt).await.expect("acks twice");

    let (second, receipt) = next(&worker).await;
    let config = config.into();
    assert_eq!(
        second,
        Payload::ConfigUpdate(proto::ConfigUpdate { config })
    );
    worker.ack_control(&receipt).await.expect("acks");

    let (third, _) = next(&worker).await;
    let expected = proto::RuntimeControl {
        request_id: "q".into(),
        action: "ping".into(),
        reply_stream: "antcode:control:reply:q".into(),
        payload_json: "{\"deep\":{\"é\":1}}".into(),
    };
    assert_eq!(third, Payload::RuntimeControl(expected));
    gateway.stop().await;
}

#[tokio::test]
async fn a_command_for_everyone_reaches_each_worker_once() {
    let gateway = Gateway::start().await;
    let workers = [gateway.worker("w-1"), gateway.worker("w-2")];
    for worker in &workers {
        // The channel knows a worker from its first poll on.
        assert!(!worker.poll_control(1).await.expect("polls").has_control);
    }

    let master = &gateway.backend.master;
    master
        .send(&Recipient::Everyone, cancel("t"))
        .await
        .expect("is sent");
    for worker in &workers {
        let (_, receipt) = next(worker).await;
        worker.ack_control(&receipt).await.expect("acks");
        assert!(!worker.poll_control(1).await.expect("polls").has_control);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_reply_reaches_the_one_who_asked() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let master = gateway.backend.master.clone();
    master.send(&to("w-1"), ping("q")).await.expect("is sent");
    let request = RequestId::parse("q").expect("is an identifier");
    let asker =
        tokio::spawn(async move { master.replies(&request, Duration::from_secs(30)).await });

    next(&worker).await;
    worker
        .reply("q", "antcode:control:reply:q")
        .await
        .expect("replies");
    let replies = asker.await.expect("does not panic").expect("answers");
    assert_eq!(replies.len(), 1);
    assert_eq!(replies[0].0, worker_id("w-1"));
    assert_eq!(replies[0].1.data, "{\"pong\":true}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_reply_goes_only_where_it_was_asked_for() {
    let gateway = Gateway::start().await;
    let (asked, other) = (gateway.worker("w-1"), gateway.worker("w-2"));
    let master = &gateway.backend.master;
    master.send(&to("w-1"), ping("q")).await.expect("is sent");
    next(&asked).await;

    let code = |answer: Result<(), tonic::Status>| answer.expect_err("is refused").code();
    assert_eq!(code(other.reply("q", "").await), Code::PermissionDenied);
    let elsewhere = "antcode:task:ready:w-2";
    assert_eq!(
        code(asked.reply("q", elsewhere).await),
        Code::PermissionDenied
    );
    assert_eq!(code(asked.reply("never-asked", "").await), Code::NotFound);
    asked.reply("q", "").await.expect("replies");
    gateway.stop().await;
}

#[tokio::test]
async fn another_workers_command_cannot_be_acknowledged() {
    let gateway = Gateway::start().await;
    let master = &gateway.backend.master;
    master.send(&to("w-1"), cancel("t")).await.expect("is sent");
    let (_, receipt) = next(&gateway.worker("w-1")).await;

    let refused = gateway.worker("w-2").ack_control(&receipt).await;
    assert_eq!(
        refused.expect_err("is refused").code(),
        Code::PermissionDenied
    );
    gateway.stop().await;
}
