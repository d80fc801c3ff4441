//! Scripts that are run again, as an answer was lost, or after they were undone.

use gateway_core::domain::control::Recipient;

use super::super::super::control_channel::Controls as _;
use super::super::super::worker;
use super::super::{Redis, on_one};
use super::{broadcast, cancel, take_and_settle};
use crate::support::servers::Reply;

const SHARED: &str = include_str!("../../../../../adapters/outbound/redis/lua/control_mailbox.lua");
const SETTLE: &str = include_str!("../../../../../adapters/outbound/redis/lua/control_settle.lua");
const TAKE: &str = include_str!("../../../../../adapters/outbound/redis/lua/control_take.lua");
const RELEASE: &str =
    include_str!("../../../../../adapters/outbound/redis/lua/control_release.lua");

impl Redis {
    /// Runs a script on the mailbox of the worker `w`.
    async fn run(&self, script: &str, args: &[&str]) -> Reply {
        let own = self.key("control:w");
        let mailbox = self.key(&format!("gateway:mailbox:{{{own}}}"));
        let script = format!("{SHARED}{script}");
        let mut words = vec!["EVAL", &script, "2", &own, &mailbox];
        words.extend_from_slice(args);
        self.command(&words).await
    }

    /// Takes by a token; what was taken, or what else the script says.
    async fn take_by(&self, token: &str) -> Vec<String> {
        let global = self.key("control:global");
        let entries = self.command(&["XRANGE", &global, "-", "+"]).await;
        let ids = entries.array().iter();
        let ids: Vec<_> = ids.map(|entry| entry.array()[0].text()).collect();
        let last = ids.last().map_or("0-0", String::as_str);
        let group = self.key("control").replace(':', "-");
        let mut args = vec![token, &group, "w", "60000", "poll", last, "", "0-0", last];
        args.extend(ids.iter().flat_map(|id| [id.as_str(), "any"]));
        let answer = self.run(TAKE, &args).await;
        let words = answer.array()[1..].iter().take(2);
        words
            .filter(|word| !matches!(word, Reply::Int(_)))
            .map(Reply::text)
            .collect()
    }

    async fn undo(&self, token: &str) -> i64 {
        let group = self.key("control").replace(':', "-");
        let bell = self.key("gateway:bell");
        let undone = self.run(RELEASE, &[token, &group, "w", &bell]).await;
        undone.int()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_that_is_repeated_takes_the_same() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    for task in ["all-1", "all-2"] {
        broadcast(&bench, cancel(task)).await;
    }
    let to = Recipient::Worker(w);
    bench.send(&to, cancel("own")).await;

    let mut taken = Vec::new();
    for token in ["a", "b", "c"] {
        let first = bench.take_by(token).await;
        assert_eq!(bench.take_by(token).await, first);
        taken.push(first);
    }
    let streams: Vec<_> = taken.iter().map(|taken| taken[0].as_str()).collect();
    assert_eq!(streams, ["global", "global", "own"]);
    taken.dedup();
    assert_eq!(taken.len(), 3);
    assert_eq!(bench.take_by("d").await, ["none"]);
    // Even now that others came after it.
    assert_eq!(bench.take_by("a").await, taken[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_is_undone_once_and_though_it_comes_later() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    let to = Recipient::Worker(w.clone());
    bench.send(&to, cancel("own")).await;
    broadcast(&bench, cancel("all")).await;

    assert_eq!(bench.undo("late").await, 0);
    assert_eq!(bench.take_by("late").await, ["void"]);
    for (stream, expected) in [("own", "own"), ("global", "all")] {
        let name = format!("of-{stream}");
        assert_eq!(bench.take_by(&name).await[0], stream);
        assert_eq!(bench.undo(&name).await, 1);
        assert_eq!(bench.undo(&name).await, 0);
        assert_eq!(bench.take_by(&name).await, ["void"]);
        let taken = take_and_settle(&*bench.channel(), &w).await;
        assert_eq!(taken, Some(cancel(expected)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undoing_a_take_undoes_nobody_elses() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    broadcast(&bench, cancel("all")).await;

    let taken = bench.take_by("a").await;
    assert_eq!(bench.undo("a").await, 1);
    assert_eq!(bench.take_by("b").await, taken);
    assert_eq!(bench.undo("a").await, 0);
    assert_eq!(bench.take_by("c").await, ["none"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_take_that_comes_late_takes_nothing() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    let group = bench.key("control").replace(':', "-");
    let to = Recipient::Worker(w);
    for task in ["own-1", "own-2"] {
        bench.send(&to, cancel(task)).await;
    }
    for task in ["all-1", "all-2"] {
        broadcast(&bench, cancel(task)).await;
    }

    let mut streams = Vec::new();
    for token in ["a", "b", "c", "d"] {
        let taken = bench.take_by(token).await;
        let settle = [group.as_str(), &taken[0], &taken[1]];
        assert_eq!(bench.run(SETTLE, &settle).await, Reply::Int(1));
        assert_eq!(bench.take_by(token).await, ["none"]);
        streams.push(taken[0].clone());
    }
    assert_eq!(streams, ["own", "own", "global", "global"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_take_of_what_another_took_since_takes_nothing() {
    let (bench, w) = (on_one().await, worker("w"));
    bench.channel().join(&w).await.expect("joins");
    bench.send(&Recipient::Worker(w.clone()), cancel("t")).await;
    let (stream, group) = (
        bench.key("control:w"),
        bench.key("control").replace(':', "-"),
    );
    let first = bench.take_by("a").await;
    let id = first[1].as_str();
    let lose = ["XCLAIM", &stream, &group, "w", "0", id, "TIME", "0"];
    bench.command(&lose).await;
    assert_eq!(bench.take_by("b").await, first);

    assert_eq!(bench.undo("a").await, 0);
    bench.send(&Recipient::Worker(w), cancel("other")).await;
    assert_eq!(bench.take_by("a").await, ["none"]);
    assert_eq!(bench.undo("b").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_redis_is_told_with_its_code_first() {
    let bench = on_one().await;
    bench.command(&["SET", &bench.key("control:w"), "x"]).await;
    let group = bench.key("control").replace(':', "-");

    let take = ["a", &group, "w", "60000", "poll", "0-0", ""];
    for (script, args) in [(TAKE, &take[..]), (SETTLE, &[&group, "own", "1-0"])] {
        let refused = bench.run(script, args).await;
        let error = refused.error().expect("is refused");
        assert!(error.starts_with("WRONGTYPE "), "{error}");
    }
}
