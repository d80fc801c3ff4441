//! Payloads that are gone are acknowledged once, and told until somebody hears.

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::task::Sign;

use super::super::super::task_queue::Queues as _;
use super::super::super::worker;
use super::super::{Redis, on_one};

const GIVE_BACK: &str =
    include_str!("../../../../../adapters/outbound/redis/lua/task_give_back.lua");
const RESTARTED: &str =
    include_str!("../../../../../adapters/outbound/redis/lua/task_restarted.lua");
const RUNNING: &str = include_str!("../../../../../adapters/outbound/redis/lua/task_running.lua");

impl Redis {
    /// What a sign of life finds to be lost.
    async fn lost_by_sign(&self, worker: &WorkerId, token: &str, running: bool) -> Vec<String> {
        let (stream, group) = (self.ready(worker), self.group());
        let book = self.key(&format!("gateway:queue:{{{stream}}}"));
        let (script, number) = if running {
            (RUNNING, &["0", "0"][..])
        } else {
            (RESTARTED, &[][..])
        };
        let mut words = vec!["EVAL", script, "2", &stream, &book, &group, worker.as_str()];
        words.extend(number);
        words.extend(["bell", "message", token]);
        self.command(&words).await.texts()
    }
}

#[tokio::test]
async fn a_payload_that_is_gone_is_told_again_when_the_answer_was_lost() {
    let (redis, w) = (on_one().await, worker("w"));
    let stream = redis.ready(&w);
    let book = redis.key(&format!("gateway:queue:{{{stream}}}"));
    let taken_by = async |token| {
        let id = redis.add(&w, &[("task_id", "t")]).await;
        assert_eq!(redis.take_task_by(&w, token).await.0, id);
        id
    };

    for (before, token, running) in [("0a", "0b", false), ("0c", "0d", true)] {
        let id = taken_by(before).await;
        redis.command(&["XDEL", &stream, &id]).await;
        // A sign of no tasks counts a moment after the delivery.
        let mut told = redis.lost_by_sign(&w, token, running).await;
        while told.is_empty() {
            told = redis.lost_by_sign(&w, token, running).await;
        }
        assert_eq!(told, std::slice::from_ref(&id));
        assert_eq!(redis.lost_by_sign(&w, token, running).await, [id]);
        let other = redis.lost_by_sign(&w, "ff", running).await;
        assert!(other.is_empty(), "{other:?}");
    }
    let id = taken_by("0e").await;
    redis
        .queue()
        .note(&w, &Sign::Restarted)
        .await
        .expect("notes");
    redis.command(&["XDEL", &stream, &id]).await;
    for token in ["1a", "1a"] {
        let told = redis.run_take(&w, token).await.array()[3].texts();
        assert_eq!(told, std::slice::from_ref(&id));
    }
    let told = redis.run_take(&w, "1b").await.array()[3].texts();
    assert!(told.is_empty(), "{told:?}");
    let id = taken_by("1c").await;
    redis.command(&["XDEL", &stream, &id]).await;
    for (token, answer) in [("2a", -2), ("2a", -2), ("2b", 0)] {
        let given_back = [GIVE_BACK, "2", &stream, &book, &redis.group(), "w", &id];
        let words = [&["EVAL"], &given_back[..], &["no slot", "now", token]].concat();
        assert_eq!(redis.command(&words).await.int(), answer, "{token}");
    }
}
