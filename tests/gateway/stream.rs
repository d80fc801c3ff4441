//! The live channel.

use std::time::Duration;

use gateway_adapters::outbound::memory;
use gateway_core::domain::control::{Command, Recipient};
use gateway_core::domain::run::RunStatus;
use gateway_core::ports::Master as _;
use proto::master_message::Payload as Down;
use proto::worker_message::Payload as Up;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::support::{Gateway, Options, Worker, proto, run_id, task, worker_id};

/// A worker's side of a live channel.
struct Channel {
    up: mpsc::Sender<proto::WorkerMessage>,
    down: Streaming<proto::MasterMessage>,
}

impl Channel {
    async fn open(worker: &Worker) -> Self {
        let (up, messages) = mpsc::channel(16);
        let request = worker.request(ReceiverStream::new(messages));
        let opened = worker.client().worker_stream(request).await;
        Self {
            up,
            down: opened.expect("is opened").into_inner(),
        }
    }

    async fn say(&self, payload: Up) {
        let message = proto::WorkerMessage {
            payload: Some(payload),
        };
        self.up.send(message).await.expect("is open");
    }

    async fn hear(&mut self) -> Down {
        let message = self.down.message().await.expect("is open");
        message.expect("is open").payload.expect("says something")
    }

    async fn end(mut self) -> Result<(), Status> {
        loop {
            if self.down.message().await?.is_none() {
                return Ok(());
            }
        }
    }
}

fn status(run: &str, status: &str) -> Up {
    Up::TaskStatus(proto::TaskStatus {
        run_id: run.into(),
        status: status.into(),
        ..Default::default()
    })
}

fn ack(task: &str, accepted: bool) -> Up {
    Up::TaskAck(proto::TaskAck {
        task_id: task.into(),
        accepted,
        reason: Some("busy".into()),
    })
}

fn cancel(task_id: &str) -> Command {
    Command::Cancel {
        task: gateway_core::domain::id::TaskId::parse(task_id).expect("is an identifier"),
        run: None,
        reason: String::new(),
    }
}

#[tokio::test]
async fn a_command_comes_out_though_the_worker_says_nothing() {
    let gateway = Gateway::start().await;
    let mut channel = Channel::open(&gateway.worker("w-1")).await;
    let master = &gateway.backend.master;
    let to = Recipient::Worker(worker_id("w-1"));

    master.send(&to, cancel("t")).await.expect("is sent");
    let expected = proto::TaskCancel {
        task_id: "t".into(),
        run_id: String::new(),
    };
    assert_eq!(channel.hear().await, Down::TaskCancel(expected));
    let settings = Command::Configure([("a".to_owned(), "1".to_owned())].into());
    master.send(&to, settings).await.expect("is sent");
    assert!(matches!(channel.hear().await, Down::ConfigUpdate(_)));

    let commands = gateway.backend.control_channel.clone();
    gateway.stop().await;
    // A worker has no word for settings it took: sent is settled. A cancel waits for its word.
    assert_eq!(commands.held(&worker_id("w-1")), 1);
}

#[tokio::test]
async fn heartbeats_and_statuses_are_taken_in() {
    let gateway = Gateway::start().await;
    let channel = Channel::open(&gateway.worker("w-1")).await;
    gateway.enqueue("w-1", task("r")).await;

    let heartbeat = proto::Heartbeat {
        worker_id: "w-1".into(),
        status: "busy".into(),
        os_info: Some(proto::OsInfo {
            os_type: "Linux".into(),
            ..Default::default()
        }),
        version: "1.2".into(),
        ..Default::default()
    };
    channel.say(Up::Heartbeat(heartbeat)).await;
    channel.say(status("r", "running")).await;
    channel.say(status("unknown", "running")).await;
    channel.say(status("r", "failed")).await;
    drop(channel.up);
    let ended = Channel {
        up: mpsc::channel(1).0,
        down: channel.down,
    };
    ended
        .end()
        .await
        .expect("ends cleanly with the worker's side");

    let run = gateway.backend.master.run(&run_id("r")).await;
    let run = run.expect("answers").expect("is known").run;
    assert_eq!(run.status, Some(RunStatus::Failed));
    assert!(run.started_at.is_some());
    let workers = gateway.backend.master.workers().await.expect("lists");
    assert_eq!(
        (workers[0].os.kind.as_str(), workers[0].version.as_str()),
        ("Linux", "1.2")
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_task_is_given_back_or_done_by_its_name() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let channel = Channel::open(&worker).await;
    gateway.enqueue("w-1", task("t")).await;
    let (_, first) = worker.take().await;

    channel.say(ack("t", false)).await;
    let (_, second) = worker.take().await;
    assert_ne!(first, second);

    channel.say(status("t", "success")).await;
    channel.say(ack("t", true)).await;
    drop(channel.up);
    let ended = Channel {
        up: mpsc::channel(1).0,
        down: channel.down,
    };
    ended.end().await.expect("ends cleanly");
    let queues = gateway.backend.master.queues().await.expect("counts");
    assert!(queues.iter().all(|queue| queue.held == 0), "{queues:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn cancels_of_a_task_are_settled_by_the_workers_one_word() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let mut channel = Channel::open(&worker).await;
    let to = Recipient::Worker(worker_id("w-1"));
    for _ in 0..2 {
        let master = &gateway.backend.master;
        master.send(&to, cancel("t")).await.expect("is sent");
        channel.hear().await;
    }

    let word = proto::CancelAck {
        task_id: "t".into(),
        success: true,
        reason: None,
    };
    channel.say(Up::CancelAck(word)).await;
    drop(channel.up);
    let ended = Channel {
        up: mpsc::channel(1).0,
        down: channel.down,
    };
    ended.end().await.expect("ends cleanly");
    assert_eq!(gateway.backend.control_channel.held(&worker_id("w-1")), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn pings_go_out() {
    let gateway = Gateway::start_with(Options {
        ping_interval: Duration::from_millis(5),
        ..Options::default()
    })
    .await;
    let mut channel = Channel::open(&gateway.worker("w-1")).await;

    for _ in 0..3 {
        let Down::Ping(ping) = channel.hear().await else {
            panic!("is no ping");
        };
        assert!(ping.timestamp.is_some());
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_channel_that_is_silent_for_too_long_is_ended() {
    let gateway = Gateway::start_with(Options {
        memory: memory::Settings {
            heartbeat_timeout: Duration::from_millis(50),
            ..memory::Settings::default()
        },
        ..Options::default()
    })
    .await;

    let channel = Channel::open(&gateway.worker("w-1")).await;
    let end = timeout(Duration::from_secs(30), channel.end()).await;
    let end = end.expect("does not go on for ever").expect_err("is ended");
    assert_eq!(end.code(), Code::DeadlineExceeded);
    gateway.stop().await;
}

#[tokio::test]
async fn bad_messages_end_the_channel_with_what_is_wrong() {
    let gateway = Gateway::start().await;

    let impostor = Up::Heartbeat(proto::Heartbeat {
        worker_id: "w-2".into(),
        ..Default::default()
    });
    for (payload, code) in [
        (impostor, Code::PermissionDenied),
        (status("a:b", "running"), Code::InvalidArgument),
        (status("r", "sleeping"), Code::InvalidArgument),
        (ack("", true), Code::InvalidArgument),
    ] {
        let channel = Channel::open(&gateway.worker("w-1")).await;
        channel.say(payload).await;
        let end = channel.end().await.expect_err("is ended");
        assert_eq!(end.code(), code, "{end:?}");
    }
    gateway.stop().await;
}
