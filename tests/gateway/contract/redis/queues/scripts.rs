//! What the scripts do when they are run again, or in another order than they were sent.

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::Sign;

use super::super::super::task_queue::Queues as _;
use super::super::super::{NOW, worker};
use super::super::{Redis, on_one};
use crate::support::servers::Reply;

const TAKE: &str = include_str!("../../../../../adapters/outbound/redis/lua/task_take.lua");
const DONE: &str = include_str!("../../../../../adapters/outbound/redis/lua/task_done.lua");
const GIVE_BACK: &str =
    include_str!("../../../../../adapters/outbound/redis/lua/task_give_back.lua");
const UNDO: &str = include_str!("../../../../../adapters/outbound/redis/lua/task_undo.lua");

impl Redis {
    pub(super) async fn take_task_by(&self, worker: &WorkerId, token: &str) -> (String, i64) {
        let answer = self.run_take(worker, token).await;
        (answer.array()[0].text(), answer.array()[2].int())
    }

    pub(super) async fn run_take(&self, worker: &WorkerId, token: &str) -> Reply {
        let (stream, group) = (self.ready(worker), self.group());
        let book = self.key(&format!("gateway:queue:{{{stream}}}"));
        let (owners, bell) = (self.key("gateway:owner:"), self.key("gateway:bell"));
        let script = format!(
            "local GROUP, OWNERS, BELL = '{group}', '{owners}', '{bell}'
             local INTERVAL, TIMEOUT, GRACE, OWNED = 200, 2000, 100, 60000
             {TAKE}"
        );
        let words = ["EVAL", &script, "2", &stream, &book, worker.as_str(), token];
        self.command(&words).await
    }

    pub(super) async fn task_is_done(&self, worker: &WorkerId, id: &str) -> i64 {
        let (stream, group) = (self.ready(worker), self.group());
        let words = ["EVAL", DONE, "1", &stream, &group, worker.as_str(), id];
        self.command(&words).await.int()
    }

    async fn task_is_buried(&self, worker: &WorkerId, id: &str) -> i64 {
        let (stream, group) = (self.ready(worker), self.group());
        let words = ["EVAL", DONE, "1", &stream, &group, worker.as_str(), id];
        self.command(&[&words[..], &["buried"]].concat())
            .await
            .int()
    }

    pub(super) async fn undo_task(&self, worker: &WorkerId, token: &str) -> i64 {
        let (stream, group) = (self.ready(worker), self.group());
        let book = self.key(&format!("gateway:queue:{{{stream}}}"));
        let (bell, message) = (self.key("gateway:bell"), format!("task {worker}"));
        let words = [
            "EVAL",
            UNDO,
            "2",
            &stream,
            &book,
            &group,
            worker.as_str(),
            token,
            "",
            &bell,
            &message,
        ];
        self.command(&words).await.int()
    }
}

#[tokio::test]
async fn a_take_that_is_repeated_takes_the_same() {
    let (redis, w) = (on_one().await, worker("w"));
    let first = redis.add(&w, &[("task_id", "t-1")]).await;
    let second = redis.add(&w, &[("task_id", "t-2")]).await;

    assert_eq!(redis.take_task_by(&w, "0a").await, (first.clone(), 1));
    assert_eq!(redis.take_task_by(&w, "0a").await, (first, 1));
    assert_eq!(redis.take_task_by(&w, "0b").await, (second, 1));
}

#[tokio::test]
async fn a_take_makes_the_run_its_workers() {
    let (redis, w) = (on_one().await, worker("w"));
    redis
        .command(&["SET", &redis.key("gateway:owner:r"), "v"])
        .await;
    redis.add(&w, &[("task_id", "t-1"), ("run_id", "r")]).await;
    redis.add(&w, &[("task_id", "t-2"), ("run_id", "")]).await;

    for (token, run) in [("0a", "r"), ("0b", "t-2")] {
        redis.take_task_by(&w, token).await;
        let owner = redis.key(&format!("gateway:owner:{run}"));
        assert_eq!(redis.command(&["GET", &owner]).await.text(), "w");
        assert!(redis.command(&["PTTL", &owner]).await.int() > 0);
    }
}

#[tokio::test]
async fn a_take_that_is_undone_took_nothing() {
    let (redis, w) = (on_one().await, worker("w"));
    let first = redis.add(&w, &[("task_id", "t-1")]).await;
    redis.take_task_by(&w, "0a").await;

    assert_eq!(redis.undo_task(&w, "0a").await, 1);
    assert_eq!(redis.take_task_by(&w, "0b").await, (first.clone(), 1));
    // Another time it undoes nothing, and least of all what another took meanwhile.
    assert_eq!(redis.undo_task(&w, "0a").await, 0);
    assert_eq!(redis.take_task_by(&w, "0b").await, (first, 1));
}

#[tokio::test]
async fn a_take_that_comes_after_it_was_undone_takes_nothing() {
    let (redis, w) = (on_one().await, worker("w"));
    redis.add(&w, &[("task_id", "t")]).await;

    assert_eq!(redis.undo_task(&w, "0a").await, 0);
    assert_eq!(redis.take_task_by(&w, "0a").await.0, "");
    let taken = redis.queue().take(&w, NOW).await.expect("takes");
    assert_eq!(taken.expect("is there").deliveries, 1);
}

#[tokio::test]
async fn a_give_back_whose_answer_was_lost_is_answered_again() {
    let (redis, w) = (on_one().await, worker("w"));
    let (stream, group) = (redis.ready(&w), redis.group());
    let book = redis.key(&format!("gateway:queue:{{{stream}}}"));
    let id = redis.add(&w, &[("task_id", "t")]).await;
    redis.take_task_by(&w, "0a").await;

    for (token, answer) in [("1a", 1), ("1a", 1), ("1b", 0)] {
        let words = [
            "EVAL", GIVE_BACK, "2", &stream, &book, &group, "w", &id, "no slot", "now", token,
        ];
        assert_eq!(redis.command(&words).await.int(), answer, "{token}");
        assert_eq!(redis.depths(&w).await, (0, 1));
    }
}

#[tokio::test]
async fn takes_of_long_ago_are_forgotten() {
    let (redis, w) = (on_one().await, worker("w"));
    for count in 0..100 {
        redis.add(&w, &[("task_id", "t")]).await;
        redis.take_task_by(&w, &format!("{count:016x}")).await;
        redis.undo_task(&w, &format!("{:016x}", 1000 + count)).await;
    }

    let book = redis.key(&format!("gateway:queue:{{{}}}", redis.ready(&w)));
    for (field, most) in [("taken", 1200), ("voided", 560)] {
        let length = redis.command(&["HSTRLEN", &book, field]).await.int();
        assert!((most / 2..=most).contains(&length), "{field}: {length}");
    }
    let last = redis.take_task_by(&w, &format!("{:016x}", 99)).await;
    assert_eq!(last.1, 1);
}

#[tokio::test]
async fn a_task_whose_delivery_was_forgotten_is_done_all_the_same() {
    let (redis, w) = (on_one().await, worker("w"));
    let (stream, group) = (redis.ready(&w), redis.group());
    let done = redis.add(&w, &[("task_id", "t-1")]).await;
    let others = redis.add(&w, &[("task_id", "t-2")]).await;
    redis.take_task_by(&w, "0a").await;
    redis.command(&["XGROUP", "DESTROY", &stream, &group]).await;
    redis
        .command(&["XGROUP", "CREATE", &stream, &group, "0"])
        .await;
    redis
        .command(&["XGROUP", "SETID", &stream, &group, &done])
        .await;
    let read = ["XREADGROUP", "GROUP", &group, "v", "STREAMS", &stream, ">"];
    redis.command(&read).await;

    assert_eq!(redis.task_is_done(&w, &done).await, 1);
    assert_eq!(redis.task_is_done(&w, &done).await, 0);
    // What is in another's hands stays there.
    assert_eq!(redis.task_is_done(&w, &others).await, -1);
    assert_eq!(redis.depths(&w).await, (1, 1));
}

#[tokio::test]
async fn undoing_a_take_undoes_no_later_delivery_of_the_same() {
    let (redis, w) = (on_one().await, worker("w"));
    let id = redis.add(&w, &[("task_id", "t")]).await;
    assert_eq!(redis.take_task_by(&w, "0a").await.0, id);
    redis
        .queue()
        .note(&w, &Sign::Restarted)
        .await
        .expect("notes");
    assert_eq!(redis.take_task_by(&w, "0b").await, (id.clone(), 2));

    assert_eq!(redis.undo_task(&w, "0a").await, 0);
    assert_eq!(redis.take_task_by(&w, "0c").await.0, "");
    assert_eq!(redis.undo_task(&w, "0b").await, 1);
    assert_eq!(redis.take_task_by(&w, "0d").await, (id, 2));
}

#[tokio::test]
async fn a_copy_of_a_take_that_comes_late_takes_nothing() {
    let (redis, w) = (on_one().await, worker("w"));
    let first = redis.add(&w, &[("task_id", "t-1")]).await;
    let second = redis.add(&w, &[("task_id", "t-2")]).await;
    redis.take_task_by(&w, "0a").await;
    assert_eq!(redis.task_is_done(&w, &first).await, 1);

    assert_eq!(redis.take_task_by(&w, "0a").await.0, "");
    assert_eq!(redis.depths(&w).await, (0, 1));
    assert_eq!(redis.take_task_by(&w, "0b").await, (second.clone(), 1));
    // What was deleted from under the worker is for others to find.
    redis.command(&["XDEL", &redis.ready(&w), &second]).await;
    assert_eq!(redis.take_task_by(&w, "0b").await.0, "");
    assert_eq!(redis.depths(&w).await, (1, 0));
}

#[tokio::test]
async fn an_error_of_redis_is_told_with_its_code_first() {
    let (redis, w) = (on_one().await, worker("w"));
    redis.command(&["SET", &redis.ready(&w), "x"]).await;

    let refused = redis.run_take(&w, "0a").await;
    let error = refused.error().expect("is refused");
    assert!(error.starts_with("WRONGTYPE "), "{error}");
}

#[tokio::test]
async fn what_is_released_while_it_is_buried_comes_up_no_more() {
    let (redis, w) = (on_one().await, worker("w"));
    let id = redis.add(&w, &[("task_id", "t")]).await;
    redis.take_task_by(&w, "0a").await;
    assert_eq!(redis.undo_task(&w, "0a").await, 1);

    // Nobody but a letter may take what waits.
    assert_eq!(redis.task_is_done(&w, &id).await, 0);
    assert_eq!(redis.depths(&w).await, (1, 1));
    assert_eq!(redis.task_is_buried(&w, &id).await, 1);
    assert_eq!(redis.depths(&w).await, (0, 0));
}
