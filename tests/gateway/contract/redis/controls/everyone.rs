//! Commands for everyone, and the place of each worker among them.

use std::collections::BTreeMap;

use gateway_core::domain::control::Lane;
use gateway_core::domain::task::Settled;
use gateway_core::ports::ControlChannel as _;

use super::super::super::control_channel::Controls as _;
use super::super::super::{LONG, NOW, worker};
use super::super::on_one;
use super::{broadcast, cancel, fields, runtime, take, take_and_settle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_workers_hear_a_hundred_commands_once_each() {
    let bench = on_one().await;
    let mut hearers = Vec::new();
    for number in 0..50 {
        let (channel, w) = (bench.channel(), worker(&format!("w-{number}")));
        channel.join(&w).await.expect("joins");
        hearers.push(tokio::spawn(async move {
            let mut heard = BTreeMap::new();
            while heard.values().sum::<usize>() < 100 {
                let taken = channel.take(&w, LONG, Lane::Poll).await.expect("takes");
                let delivery = taken.expect("comes");
                let settled = channel.settle(&w, &delivery.receipt).await;
                settled.expect("settles");
                *heard.entry(format!("{:?}", delivery.command)).or_default() += 1;
            }
            assert_eq!(take(&*channel, &w).await, None);
            heard.len()
        }));
    }
    for number in 0..100 {
        let command = fields(cancel(&format!("t-{number}")));
        let global = bench.key("control:global");
        let mut words = vec!["XADD", &global, "*"];
        for (name, value) in &command {
            words.extend([*name, value.as_str()]);
        }
        bench.command(&words).await.text();
    }

    for hearer in hearers {
        assert_eq!(hearer.await.expect("does not panic"), 100);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_outlives_the_gateway_and_is_shared_with_others() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    for task in ["t-1", "t-2", "t-3"] {
        broadcast(&bench, cancel(task)).await;
    }

    let first = take_and_settle(&*bench.channel(), &w).await;
    assert_eq!(first, Some(cancel("t-1")));
    let second = bench.another().await.control_channel;
    let (receipt, command) = take(&*second, &w).await.expect("comes");
    assert_eq!(command, cancel("t-2"));
    drop(second);
    let third = bench.another().await.control_channel;
    let settled = third.settle(&w, &receipt).await;
    assert_eq!(settled.expect("settles"), Settled::Now);
    assert_eq!(take_and_settle(&*third, &w).await, Some(cancel("t-3")));
    for gateway in [bench.channel(), third] {
        assert_eq!(take(&*gateway, &w).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_for_everyone_that_begins_anew_is_heard_and_nothing_twice() {
    let (bench, w) = (on_one().await, worker("w"));
    let global = bench.key("control:global");
    let add = |id: &'static str, task: &'static str| {
        [
            "XADD",
            &global,
            id,
            "control_type",
            "cancel",
            "task_id",
            task,
        ]
        .map(str::to_owned)
    };
    let channel = bench.channel();
    channel.join(&w).await.expect("joins");
    for words in [add("1000-0", "t-1"), add("2000-0", "t-2")] {
        bench.command(&words.each_ref().map(String::as_str)).await;
    }
    for expected in ["t-1", "t-2"] {
        let taken = take_and_settle(&*channel, &w).await;
        assert_eq!(taken, Some(cancel(expected)));
    }

    bench.command(&["DEL", &global]).await;
    assert_eq!(take(&*channel, &w).await, None);
    // The clock went back meanwhile, and a gateway that knows nothing of it looks first.
    bench
        .command(&add("1500-0", "t-1").each_ref().map(String::as_str))
        .await;
    let second = bench.another().await.control_channel;
    assert_eq!(take(&*second, &w).await, None);
    bench
        .command(&add("1600-0", "t-3").each_ref().map(String::as_str))
        .await;
    let taken = take_and_settle(&*channel, &w).await;
    assert_eq!(taken, Some(cancel("t-3")));
    assert_eq!(take(&*second, &w).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_called_global_takes_nothing_from_anybody() {
    let (bench, w, global) = (on_one().await, worker("w"), worker("global"));
    for known in [&w, &global] {
        bench.channel().join(known).await.expect("joins");
    }
    broadcast(&bench, cancel("t")).await;

    for known in [&global, &w] {
        let taken = take_and_settle(&*bench.channel(), known).await;
        assert_eq!(taken, Some(cancel("t")));
        assert_eq!(take(&*bench.channel(), known).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_away_hears_all_that_is_kept() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    let global = bench.key("control:global");
    let script = "for i = 1, 1300 do \
        redis.call('XADD', KEYS[1], '*', 'control_type', 'cancel', 'task_id', 't-' .. i) end";
    bench.command(&["EVAL", script, "1", &global]).await;

    // The first knows the end of it, the other nothing at all.
    let channels = [bench.channel(), bench.another().await.control_channel];
    for number in 1..=1300 {
        let taken = take_and_settle(&*channels[number % 2], &w).await;
        assert_eq!(taken, Some(cancel(&format!("t-{number}"))));
    }
    assert_eq!(take(&*bench.channel(), &w).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_for_everyone_that_was_trimmed_away_blocks_nothing() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    for id in ["q-1", "q-2"] {
        broadcast(&bench, runtime(id, "")).await;
    }
    let on_stream = bench.channel().take(&w, NOW, Lane::Stream).await;
    assert_eq!(on_stream.expect("takes"), None);
    let global = bench.key("control:global");
    bench.command(&["XTRIM", &global, "MAXLEN", "1"]).await;

    let second = bench.another().await.control_channel;
    let taken = take_and_settle(&*second, &w).await;
    let usual = bench.key("control:reply:q-2");
    assert_eq!(taken, Some(runtime("q-2", &usual)));
    let mailbox = format!("gateway:mailbox:{{{}}}", bench.key("control:w"));
    let kept = bench
        .command(&["HKEYS", &bench.key(&mailbox)])
        .await
        .texts();
    assert!(
        !kept.iter().any(|field| field.starts_with("g:")),
        "{kept:?}"
    );
}
