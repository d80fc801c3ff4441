//! What stands in the streams: odd things, many at once, groups that are gone.

use gateway_core::domain::control::{Command, Lane, Recipient};
use gateway_core::domain::task::Settled;

use super::super::super::control_channel::Controls as _;
use super::super::super::{LONG, worker};
use super::super::on_one;
use super::{broadcast, cancel, take, take_and_settle};
use crate::support::servers::Reply;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_command_blocks_nothing_and_is_not_kept() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    let odd = [("control_type", "dance".to_owned())];
    let bad = [
        ("control_type", "config_update".to_owned()),
        ("config", "[".to_owned()),
    ];
    for to in [Recipient::Everyone, Recipient::Worker(w.clone())] {
        bench.send_fields(&to, &odd).await;
        bench.send_fields(&to, &bad).await;
    }
    bench
        .send(&Recipient::Worker(w.clone()), cancel("own"))
        .await;
    broadcast(&bench, cancel("all")).await;

    for expected in ["own", "all"] {
        let taken = take_and_settle(&*bench.channel(), &w).await;
        assert_eq!(taken, Some(cancel(expected)));
    }
    assert_eq!(take(&*bench.channel(), &w).await, None);
    let own = bench.key("control:w");
    assert_eq!(bench.command(&["XLEN", &own]).await, Reply::Int(0));
    let group = bench.key("control").replace(':', "-");
    let pending = bench.command(&["XPENDING", &own, &group]).await;
    assert_eq!(pending.array()[0], Reply::Int(0));
    let global = bench.key("control:global");
    assert_eq!(bench.command(&["XLEN", &global]).await, Reply::Int(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_commands_that_come_together_are_both_delivered() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    let [own, global] = ["control:w", "control:global"].map(|key| bench.key(key));
    let script = "for i, key in ipairs(KEYS) do \
        redis.call('XADD', key, '*', 'control_type', 'cancel', 'task_id', 't-' .. i) end";

    for _ in 0..10 {
        bench
            .command(&["EVAL", script, "3", &own, &global, &own])
            .await;
        let mut tasks = Vec::new();
        for _ in 0..3 {
            let taken = take_and_settle(&*bench.channel(), &w).await;
            tasks.push(format!("{:?}", taken.expect("comes")));
        }
        tasks.sort();
        let expected = ["t-1", "t-2", "t-3"].map(|task| format!("{:?}", cancel(task)));
        assert_eq!(tasks, expected);
        assert_eq!(take(&*bench.channel(), &w).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_gone_is_made_again_at_once() {
    let (bench, w) = (on_one().await, worker("w"));
    let to = Recipient::Worker(w.clone());
    let own = bench.key("control:w");
    let group = bench.key("control").replace(':', "-");
    for round in ["t-1", "t-2", "t-3"] {
        bench.send(&to, cancel(round)).await;
        let taken = take_and_settle(&*bench.channel(), &w).await;
        assert_eq!(taken, Some(cancel(round)));
        let gone = bench.command(&["XGROUP", "DESTROY", &own, &group]).await;
        assert_eq!(gone, Reply::Int(1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lane_cannot_carry_is_held_up_to_a_bound_and_blocks_nothing() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    let script = "for i = 1, 1100 do redis.call('XADD', KEYS[1], '*', \
        'control_type', 'runtime_manage', 'request_id', ARGV[1] .. i) end";
    let to = [("control:global", "all-"), ("control:w", "own-")];
    for (stream, name) in to {
        let stream = bench.key(stream);
        bench.command(&["EVAL", script, "1", &stream, name]).await;
    }
    bench
        .send(&Recipient::Worker(w.clone()), cancel("own"))
        .await;
    broadcast(&bench, cancel("all")).await;

    for expected in ["own", "all"] {
        let on_stream = bench.channel().take(&w, LONG, Lane::Stream).await;
        let delivery = on_stream.expect("takes").expect("comes");
        assert_eq!(delivery.command, cancel(expected));
        let settled = bench.channel().settle(&w, &delivery.receipt).await;
        assert_eq!(settled.expect("settles"), Settled::Now);
    }
    for name in ["all-", "own-"] {
        let taken = take_and_settle(&*bench.channel(), &w).await;
        let Some(Command::Runtime { request, .. }) = taken else {
            panic!("a request: {taken:?}");
        };
        assert_eq!(request.as_str(), format!("{name}101"));
        // The others of its kind are of no interest here.
        let mailbox = format!("gateway:mailbox:{{{}}}", bench.key("control:w"));
        let mailbox = bench.key(&mailbox);
        let held = bench.command(&["HKEYS", &mailbox]).await.texts();
        for field in held.iter().filter(|field| field.starts_with("g:")) {
            bench.command(&["HDEL", &mailbox, field]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_delivery_was_forgotten_is_settled_all_the_same() {
    let (bench, w) = (on_one().await, worker("w"));
    let own = bench.key("control:w");
    let group = bench.key("control").replace(':', "-");
    bench.send(&Recipient::Worker(w.clone()), cancel("t")).await;
    let (receipt, _) = take(&*bench.channel(), &w).await.expect("comes");
    bench.command(&["XGROUP", "DESTROY", &own, &group]).await;

    for expected in [Settled::Now, Settled::Before] {
        let settled = bench.channel().settle(&w, &receipt).await;
        assert_eq!(settled.expect("settles"), expected);
    }
    assert_eq!(take(&*bench.channel(), &w).await, None);
}
