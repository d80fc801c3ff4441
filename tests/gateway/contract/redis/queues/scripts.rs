//! What the scripts do when they are run again, or in another order than they were sent.

use gateway_core::domain::id::WorkerId;

use super::super::super::task_queue::Queues as _;
use super::super::super::{NOW, worker};
use super::super::{Redis, on_one};

const TAKE: &str = include_str!("../../../../../adapters/outbound/redis/lua/task_take.lua");
const UNDO: &str = include_str!("../../../../../adapters/outbound/redis/lua/task_undo.lua");

impl Redis {
    async fn take_task_by(&self, worker: &WorkerId, token: &str) -> (String, i64) {
        let (stream, group) = (self.ready(worker), self.group());
        let book = self.key(&format!("gateway:queue:{{{stream}}}"));
        let words = [
            "EVAL",
            TAKE,
            "2",
            &stream,
            &book,
            &group,
            worker.as_str(),
            token,
            "200",
            "2000",
            "100",
        ];
        let answer = self.command(&words).await;
        (answer.array()[0].text(), answer.array()[2].int())
    }

    async fn undo_task(&self, worker: &WorkerId, token: &str) -> i64 {
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
