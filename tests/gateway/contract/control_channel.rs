//! The contract of `ControlChannel`.

mod everyone;
mod replies;
mod settling;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::control::{Command, CommandDelivery, Lane, Recipient, Reply};
use gateway_core::domain::id::{RequestId, WorkerId};
use gateway_core::domain::task::Settled;
use gateway_core::ports::ControlChannel;
use tokio::time::Instant;

use super::{LONG, NOW, in_time, request, run, task_id, worker};

/// A backend with a control channel.
pub(super) trait Controls {
    fn channel(&self) -> Arc<dyn ControlChannel>;

    /// Sends `command`, as the platform does.
    async fn send(&self, to: &Recipient, command: Command);

    /// The replies to `request`, when there is one.
    async fn replies(&self, request: &RequestId, wait: Duration) -> Vec<(WorkerId, Reply)>;

    /// How long it waits until a command is delivered again.
    fn command_lease(&self) -> Duration;

    /// How long it takes a reply after the request.
    fn reply_timeout(&self) -> Duration;
}

contract!(memory, memory_live, redis, guarded, cluster => {
    a_command_waits_for_its_worker_and_no_other,
    commands_come_in_the_order_they_were_sent,
    every_kind_of_command_arrives_whole,
    none_is_the_answer_when_the_wait_is_over,
    whoever_waits_gets_a_command_the_moment_it_comes,
    a_command_goes_to_one_take,
    what_a_lane_cannot_carry_stays_for_another,
    a_command_finds_the_lane_that_can_carry_it,
    a_dropped_take_has_taken_nothing,
});

fn cancel(task: &str) -> Command {
    Command::Cancel {
        task: task_id(task),
        run: None,
        reason: String::new(),
    }
}

fn runtime(id: &str) -> Command {
    Command::Runtime {
        request: request(id),
        action: "list_envs".into(),
        reply_stream: format!("antcode:control:reply:{id}"),
        payload: r#"{"名":"值"}"#.into(),
    }
}

/// The next command for `to` that `lane` can carry, if there is one now.
async fn look_on(lane: Lane, bench: &impl Controls, to: &WorkerId) -> Option<CommandDelivery> {
    let taken = bench.channel().take(to, NOW, lane).await;
    taken.expect("looks")
}

async fn look(bench: &impl Controls, to: &WorkerId) -> Option<Command> {
    let delivery = look_on(Lane::Poll, bench, to).await;
    delivery.map(|delivery| delivery.command)
}

/// The next command for `to`, which will come.
async fn next(bench: &impl Controls, to: &WorkerId) -> CommandDelivery {
    let channel = bench.channel();
    let taken = in_time(channel.take(to, LONG, Lane::Poll)).await;
    taken.expect("takes").expect("something comes")
}

async fn send(bench: &impl Controls, to: &WorkerId, command: Command) {
    bench.send(&Recipient::Worker(to.clone()), command).await;
}

async fn a_command_waits_for_its_worker_and_no_other(bench: &impl Controls) {
    let (a, b) = (worker("a"), worker("b"));
    send(bench, &a, cancel("t")).await;

    assert_eq!(look(bench, &b).await, None);
    assert_eq!(look(bench, &a).await, Some(cancel("t")));
    assert_eq!(look(bench, &a).await, None);
}

async fn commands_come_in_the_order_they_were_sent(bench: &impl Controls) {
    let w = worker("w");
    let sent: Vec<_> = (0..20).map(|count| cancel(&format!("t-{count}"))).collect();
    for command in &sent {
        send(bench, &w, command.clone()).await;
    }

    for command in sent {
        assert_eq!(look(bench, &w).await, Some(command));
    }
}

async fn every_kind_of_command_arrives_whole(bench: &impl Controls) {
    let w = worker("w");
    let settings = [("log_level", "DEBUG"), ("名", "值\n")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    for command in [
        Command::Cancel {
            task: task_id("t"),
            run: Some(run("r")),
            reason: "用户取消".into(),
        },
        Command::Configure(BTreeMap::from(settings)),
        runtime("q-1"),
    ] {
        send(bench, &w, command.clone()).await;
        assert_eq!(look(bench, &w).await, Some(command));
    }
}

async fn none_is_the_answer_when_the_wait_is_over(bench: &impl Controls) {
    let wait = Duration::from_millis(50);
    let begun = Instant::now();

    let nothing = bench.channel().take(&worker("w"), wait, Lane::Poll).await;
    assert_eq!(nothing.expect("waits"), None);
    assert!(begun.elapsed() >= wait);
}

async fn whoever_waits_gets_a_command_the_moment_it_comes(bench: &impl Controls) {
    let w = worker("w");
    let comes = async {
        // By now the other one waits, as far as that can be brought about.
        assert_eq!(look(bench, &worker("other")).await, None);
        send(bench, &w, cancel("t")).await;
    };

    let (delivery, ()) = tokio::join!(next(bench, &w), comes);
    assert_eq!(delivery.command, cancel("t"));
}

async fn a_command_goes_to_one_take(bench: &impl Controls) {
    let w = worker("w");
    let polls: Vec<_> = (0..10)
        .map(|_| {
            let (channel, w) = (bench.channel(), w.clone());
            let wait = bench.command_lease() / 2;
            tokio::spawn(async move { take_and_settle(&*channel, &w, wait).await })
        })
        .collect();
    send(bench, &w, cancel("t")).await;

    let mut got = 0;
    for poll in polls {
        got += usize::from(poll.await.expect("does not panic"));
    }
    assert_eq!(got, 1);
}

/// Whether there was something to settle.
async fn take_and_settle(channel: &dyn ControlChannel, of: &WorkerId, wait: Duration) -> bool {
    let taken = channel.take(of, wait, Lane::Poll).await.expect("takes");
    let Some(delivery) = taken else {
        return false;
    };
    let settled = channel.settle(of, &delivery.receipt).await;
    settled.expect("settles") == Settled::Now
}

async fn what_a_lane_cannot_carry_stays_for_another(bench: &impl Controls) {
    let w = worker("w");
    send(bench, &w, runtime("q-1")).await;
    send(bench, &w, cancel("t")).await;

    let on_stream = look_on(Lane::Stream, bench, &w).await;
    assert_eq!(on_stream.expect("passes by").command, cancel("t"));
    assert_eq!(look_on(Lane::Stream, bench, &w).await, None);
    assert_eq!(look(bench, &w).await, Some(runtime("q-1")));
}

async fn a_command_finds_the_lane_that_can_carry_it(bench: &impl Controls) {
    let w = worker("w");
    let on_stream = {
        let (channel, w) = (bench.channel(), w.clone());
        tokio::spawn(async move { channel.take(&w, LONG, Lane::Stream).await })
    };
    tokio::task::yield_now().await;

    let sends = async {
        assert_eq!(look(bench, &worker("other")).await, None);
        send(bench, &w, runtime("q-1")).await;
    };
    let (polled, ()) = tokio::join!(next(bench, &w), sends);
    assert_eq!(polled.command, runtime("q-1"));
    on_stream.abort();
}

async fn a_dropped_take_has_taken_nothing(bench: &impl Controls) {
    let w = worker("w");
    for round in 0..100 {
        let command = cancel(&format!("t-{round}"));
        let dropped = {
            let (channel, w) = (bench.channel(), w.clone());
            tokio::spawn(async move { channel.take(&w, LONG, Lane::Poll).await })
        };
        tokio::task::yield_now().await;
        send(bench, &w, command.clone()).await;
        dropped.abort();

        let taken = match dropped.await {
            Ok(taken) => taken.expect("takes").expect("it came").command,
            Err(_) => next(bench, &w).await.command,
        };
        assert_eq!(taken, command);
    }
}
