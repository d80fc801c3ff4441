//! What somebody took away from under us.

use gateway_core::domain::audit::Action;
use gateway_core::domain::task::{Content, Settled, Sign, Verdict};
use gateway_core::ports::DeadLetters as _;

use super::super::super::task_queue::Queues as _;
use super::super::super::{LONG, NOW, worker};
use super::super::{Redis, Server, on_one, start};
use crate::support::servers::{RedisServer, Reply};

/// How many payloads are known to be lost.
fn lost(redis: &Redis) -> usize {
    let actions = redis.audited().into_iter();
    let lost = actions.map(|action| {
        if let Action::LostPayload { entries } = action {
            entries.len()
        } else {
            0
        }
    });
    lost.sum()
}

#[tokio::test]
async fn payloads_that_were_trimmed_away_are_acknowledged_and_counted() {
    let (redis, w) = (on_one().await, worker("w"));
    let (queue, stream) = (redis.queue(), redis.ready(&w));
    for count in 0..4 {
        redis.add(&w, &[("task_id", &format!("t-{count}"))]).await;
        queue
            .take(&w, LONG)
            .await
            .expect("takes")
            .expect("is there");
    }
    redis.command(&["XTRIM", &stream, "MAXLEN", "1"]).await;

    queue.note(&w, &Sign::Restarted).await.expect("notes");
    let again = queue.take(&w, NOW).await.expect("takes");
    assert_eq!(again.expect("is left").task.id.as_str(), "t-3");
    assert_eq!(queue.take(&w, NOW).await.expect("takes"), None);
    assert_eq!(lost(&redis), 3);
    assert_eq!(redis.depths(&w).await, (1, 1));
}

#[tokio::test]
async fn payloads_that_are_gone_when_they_are_due_hide_nothing() {
    let (redis, w) = (on_one().await, worker("w"));
    let (queue, stream) = (redis.queue(), redis.ready(&w));
    for count in 0..3 {
        redis.add(&w, &[("task_id", &format!("t-{count}"))]).await;
    }
    for _ in 0..2 {
        queue
            .take(&w, LONG)
            .await
            .expect("takes")
            .expect("is there");
    }
    queue.note(&w, &Sign::Restarted).await.expect("notes");
    redis.command(&["XTRIM", &stream, "MAXLEN", "1"]).await;

    let next = queue.take(&w, NOW).await.expect("takes");
    assert_eq!(next.expect("is left").task.id.as_str(), "t-2");
    assert_eq!(lost(&redis), 2);
    assert_eq!(redis.depths(&w).await, (1, 1));
}

#[tokio::test]
async fn a_task_that_is_given_back_without_its_payload_is_counted() {
    let (redis, w) = (on_one().await, worker("w"));
    let queue = redis.queue();
    let id = redis.add(&w, &[("task_id", "t")]).await;
    let delivery = queue
        .take(&w, LONG)
        .await
        .expect("takes")
        .expect("is there");
    redis.command(&["XDEL", &redis.ready(&w), &id]).await;

    let given_back = Verdict::GivenBack("no slot".into());
    let settled = queue.settle(&w, &delivery.receipt, given_back).await;
    assert_eq!(settled.expect("settles"), Settled::Before);
    assert_eq!(lost(&redis), 1);
    assert_eq!(redis.depths(&w).await, (0, 0));
}

#[tokio::test]
async fn a_group_that_is_gone_is_made_again_within_the_call() {
    let (redis, w) = (on_one().await, worker("w"));
    let (queue, stream, group) = (redis.queue(), redis.ready(&w), redis.group());
    redis.add(&w, &[("task_id", "t-1")]).await;
    let first = queue
        .take(&w, LONG)
        .await
        .expect("takes")
        .expect("is there");
    redis.command(&["XGROUP", "DESTROY", &stream, &group]).await;
    let done = queue.settle(&w, &first.receipt, Verdict::Done).await;
    assert_eq!(done.expect("settles"), Settled::Now);

    redis.add(&w, &[("task_id", "t-2")]).await;
    let second = queue.take(&w, NOW).await.expect("takes");
    assert_eq!(second.expect("is there").task.id.as_str(), "t-2");

    redis.command(&["DEL", &stream]).await;
    redis.add(&w, &[("task_id", "t-3")]).await;
    let third = queue.take(&w, NOW).await.expect("takes");
    assert_eq!(third.expect("is there").task.id.as_str(), "t-3");
}

#[tokio::test]
async fn whoever_waits_does_not_mind_that_everything_is_gone() {
    let (redis, w) = (on_one().await, worker("w"));
    let queue = redis.queue();
    let waits = async { queue.take(&w, LONG).await.expect("takes") };
    let comes = async {
        queue.take(&worker("other"), NOW).await.expect("looks");
        let book = redis.key(&format!("gateway:queue:{{{}}}", redis.ready(&w)));
        redis.command(&["DEL", &redis.ready(&w)]).await;
        redis.command(&["DEL", &book]).await;
        redis.add(&w, &[("task_id", "t")]).await;
    };

    let (taken, ()) = tokio::join!(waits, comes);
    assert_eq!(taken.expect("comes").task.id.as_str(), "t");
}

#[tokio::test]
async fn every_sign_is_fine_where_there_is_nothing() {
    let (redis, w) = (on_one().await, worker("w"));
    let queue = redis.queue();
    let run = super::super::super::run("r");
    for sign in [
        Sign::Restarted,
        Sign::Running(0),
        Sign::Running(3),
        Sign::Progress(run),
    ] {
        queue.note(&w, &sign).await.expect("notes");
    }
    let keys = redis.key("*");
    let keys = redis.command(&["KEYS", &keys]).await;
    let of_the_worker = keys
        .texts()
        .into_iter()
        .filter(|key| key.contains("task:ready"));
    assert_eq!(of_the_worker.count(), 0);
}

#[tokio::test]
async fn what_is_ours_expires() {
    let (redis, w) = (on_one().await, worker("w"));
    let queue = redis.queue();
    redis.add(&w, &[("task_id", "t-1")]).await;
    redis.add(&w, &[("task_id", " ")]).await;
    let delivery = queue
        .take(&w, LONG)
        .await
        .expect("takes")
        .expect("is there");
    queue.take(&w, NOW).await.expect("looks");
    queue
        .release(&w, &delivery.receipt)
        .await
        .expect("releases");
    queue.note(&w, &Sign::Running(0)).await.expect("notes");

    for key in ["gateway:queue:*", "gateway:buried:*"] {
        let keys = redis.command(&["KEYS", &redis.key(key)]).await.texts();
        assert_eq!(keys.len(), 1, "{key}");
        assert!(redis.command(&["PTTL", &keys[0]]).await.int() > 0, "{key}");
    }
}

#[tokio::test]
async fn what_is_lost_is_found_behind_a_thousand_others() {
    let (redis, w) = (on_one().await, worker("w"));
    let (queue, stream, group) = (redis.queue(), redis.ready(&w), redis.group());
    let add = "for i = 1, 1100 do redis.call('XADD', KEYS[1], i .. '-0', 'task_id', 't-' .. i) end";
    redis.command(&["EVAL", add, "1", &stream]).await;
    redis
        .command(&["XGROUP", "CREATE", &stream, &group, "0"])
        .await;
    let read = ["XREADGROUP", "GROUP", &group, "w", "STREAMS", &stream, ">"];
    redis.command(&read).await;

    let lose = ["XCLAIM", &stream, &group, "w", "0", "1100-0", "TIME", "0"];
    redis.command(&[&lose[..], &["JUSTID"]].concat()).await;
    let taken = queue.take(&w, NOW).await.expect("takes");
    assert_eq!(taken.expect("is lost").task.id.as_str(), "t-1100");
}

#[tokio::test]
async fn an_entry_of_thousands_of_fields_is_buried_whole() {
    let (redis, w) = (on_one().await, worker("w"));
    let names: Vec<_> = (0..10_000).map(|count| format!("f-{count}")).collect();
    let fields = names.iter().map(|name| (name.as_str(), "x"));
    let fields: Vec<_> = [("task_id", "t-1")].into_iter().chain(fields).collect();
    redis.add(&w, &fields).await;
    redis.add(&w, &[("task_id", "t-2")]).await;

    let taken = redis.queue().take(&w, NOW).await.expect("takes");
    assert_eq!(taken.expect("is there").task.id.as_str(), "t-2");
    let dead = redis.key("gateway:dead");
    let letters = redis.command(&["XRANGE", &dead, "-", "+"]).await;
    let letter = letters.array()[0].array()[1].texts();
    // And six of ours.
    assert_eq!(letter.len(), 2 * (fields.len() + 6));
}

#[tokio::test]
async fn without_memory_takes_are_repeated_and_undone_all_the_same() {
    let server: &'static RedisServer = Box::leak(Box::new(RedisServer::start().await));
    let redis = start(Server::One(server), &server.url()).await;
    let w = worker("w");
    let first = redis.add(&w, &[("task_id", "t-1")]).await;
    let second = redis.add(&w, &[("task_id", "t-2")]).await;
    let third = redis.add(&w, &[("task_id", "t-3")]).await;
    redis.take_task_by(&w, "0a").await;
    assert_eq!(redis.task_is_done(&w, &first).await, 1);
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;

    assert_eq!(redis.undo_task(&w, "0b").await, 0);
    assert_eq!(redis.take_task_by(&w, "0b").await.0, "");
    assert_eq!(redis.take_task_by(&w, "0c").await, (second.clone(), 1));
    assert_eq!(redis.take_task_by(&w, "0c").await, (second, 1));
    assert_eq!(redis.undo_task(&w, "0c").await, 1);
    assert_eq!(redis.depths(&w).await, (1, 2));
    assert_eq!(redis.take_task_by(&w, "0d").await.1, 1);
    assert_eq!(redis.take_task_by(&w, "0e").await, (third, 1));
    server.stop();
}

#[tokio::test]
async fn what_is_no_text_is_no_task_and_stays_as_it_is() {
    let (redis, w) = (on_one().await, worker("w"));
    let stream = redis.ready(&w);
    let add = "return redis.call('XADD', KEYS[1], '*', 'task_id', 't', 'entry_point', 'a\\255b')";
    redis.command(&["EVAL", add, "1", &stream]).await;
    assert_eq!(redis.queue().take(&w, NOW).await.expect("takes"), None);

    let letters = redis.backend.dead_letters.clone();
    let listed = letters.list(10).await.expect("lists");
    assert!(matches!(&listed[0].content, Content::Unreadable(_)));
    let value = async |key: &str| {
        let entries = redis.command(&["XRANGE", key, "-", "+"]).await;
        let fields = entries.array()[0].array()[1].array();
        (fields.len(), fields[3].clone())
    };
    let bytes = Reply::Bulk(b"a\xffb".to_vec());
    assert_eq!(value(&redis.key("gateway:dead")).await.1, bytes);
    assert!(letters.requeue(&listed[0].id).await.expect("queues"));
    assert_eq!(value(&stream).await, (4, bytes));
}
