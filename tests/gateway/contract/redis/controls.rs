//! The control channel on Redis: what the Master does, and what only Redis shows.

mod everyone;
mod own;
mod replies;
mod scripts;

use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::control::{Command, Lane, Recipient, Reply as Answer};
use gateway_core::domain::id::{ReceiptId, RequestId, WorkerId};
use gateway_core::domain::task::Settled;
use gateway_core::ports::{ControlChannel, Master as _};

use super::super::control_channel::Controls;
use super::super::{NOW, request, task_id};
use super::Redis;

impl Controls for Redis {
    fn channel(&self) -> Arc<dyn ControlChannel> {
        if self.guarded {
            return self.guard(&self.backend.control_channel);
        }
        self.backend.control_channel.clone()
    }

    async fn send(&self, to: &Recipient, command: Command) {
        self.send_fields(to, &fields(command)).await;
    }

    async fn replies(&self, to: &RequestId, wait: Duration) -> Vec<(WorkerId, Answer)> {
        let replies = self.backend.master.replies(to, wait).await;
        replies.expect("lists")
    }

    fn command_lease(&self) -> Duration {
        self.settings.command_lease
    }

    fn reply_timeout(&self) -> Duration {
        self.settings.reply_timeout
    }
}

impl Redis {
    /// Writes an entry as the Master does.
    async fn send_fields(&self, to: &Recipient, fields: &[(&str, String)]) {
        let stream = match to {
            Recipient::Worker(worker) => self.key(&format!("control:{worker}")),
            Recipient::Everyone => self.key("control:global"),
        };
        let mut words = vec!["XADD", &stream, "*"];
        for (name, value) in fields {
            words.extend([name, value.as_str()]);
        }
        let id = self.command(&words).await.text();
        // What is sent to one and what is sent to all goes by the millisecond.
        let (sent, _) = id.split_once('-').expect("is an id");
        while self.milliseconds().await.to_string() == sent {}
    }

    async fn milliseconds(&self) -> u64 {
        let time = self.command(&["TIME"]).await.texts();
        let [seconds, micros] = [0, 1].map(|part| time[part].parse::<u64>().expect("is a number"));
        seconds * 1000 + micros / 1000
    }
}

fn fields(command: Command) -> Vec<(&'static str, String)> {
    match command {
        Command::Cancel { task, run, reason } => vec![
            ("control_type", "cancel".into()),
            ("task_id", task.to_string()),
            ("run_id", run.map(|run| run.to_string()).unwrap_or_default()),
            ("reason", reason),
        ],
        Command::Configure(settings) => vec![
            ("control_type", "config_update".into()),
            ("config", serde_json::to_string(&settings).expect("is JSON")),
        ],
        Command::Runtime {
            request,
            action,
            reply_stream,
            payload,
        } => vec![
            ("control_type", "runtime_manage".into()),
            ("action", action),
            ("request_id", request.to_string()),
            ("reply_stream", reply_stream),
            ("payload", payload),
        ],
    }
}

fn cancel(task: &str) -> Command {
    Command::Cancel {
        task: task_id(task),
        run: None,
        reason: String::new(),
    }
}

fn runtime(id: &str, reply_stream: &str) -> Command {
    Command::Runtime {
        request: request(id),
        action: "list_envs".into(),
        reply_stream: reply_stream.to_owned(),
        payload: "{}".into(),
    }
}

/// What comes for `of` now, if anything does.
async fn take(channel: &dyn ControlChannel, of: &WorkerId) -> Option<(ReceiptId, Command)> {
    let taken = channel.take(of, NOW, Lane::Poll).await.expect("takes");
    taken.map(|delivery| (delivery.receipt, delivery.command))
}

async fn take_and_settle(channel: &dyn ControlChannel, of: &WorkerId) -> Option<Command> {
    let (receipt, command) = take(channel, of).await?;
    let settled = channel.settle(of, &receipt).await.expect("settles");
    assert_eq!(settled, Settled::Now);
    Some(command)
}

async fn broadcast(bench: &Redis, command: Command) {
    bench.send(&Recipient::Everyone, command).await;
}
