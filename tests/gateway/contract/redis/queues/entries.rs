//! What the Master writes, and what it finds afterwards.

use std::time::Duration;

use gateway_core::domain::audit::Action;
use gateway_core::domain::id::LetterId;
use gateway_core::domain::task::{Content, Settled, Sign, Verdict};
use gateway_core::ports::{DeadLetters as _, TaskQueue as _};

use super::super::super::task_queue::Queues as _;
use super::super::super::{LONG, NOW, receipt, worker};
use super::super::on_one;

#[tokio::test]
async fn a_task_as_the_master_writes_it_arrives_whole() {
    let (redis, w) = (on_one().await, worker("w"));
    let params = r#"{"url": "https://example.org/?q=ü", "depth": 3, "deep": {"b": [1, 2.50], "a": null}, "on": true}"#;
    let fields = [
        ("task_id", "t-1"),
        ("run_id", "r-1"),
        ("project_id", "7"),
        ("priority", "5"),
        ("params", params),
        ("environment", r#"{"N": "1"}"#),
        ("timeout", "90"),
        ("is_compressed", "True"),
        ("somebody_elses", "field"),
    ];
    redis.add(&w, &fields).await;

    let delivery = redis.queue().take(&w, LONG).await.expect("takes");
    let task = delivery.expect("is there").task;
    assert_eq!((task.id.as_str(), task.run.as_str()), ("t-1", "r-1"));
    assert_eq!((&*task.project_id, &*task.project_type), ("7", "code"));
    assert_eq!((task.priority, task.timeout), (5, Duration::from_secs(90)));
    assert!(task.is_compressed);
    let params: Vec<_> = task.params.iter().map(|(k, v)| (&**k, &**v)).collect();
    let expected = [
        ("deep", r#"{"b": [1, 2.50], "a": null}"#),
        ("depth", "3"),
        ("on", "true"),
        ("url", "https://example.org/?q=ü"),
    ];
    assert_eq!(params, expected);
}

#[tokio::test]
async fn nothing_is_left_after_all_acks() {
    let (redis, w) = (on_one().await, worker("w"));
    let queue = redis.queue();
    for count in 0..20 {
        redis.add(&w, &[("task_id", &format!("t-{count}"))]).await;
    }
    for _ in 0..20 {
        let delivery = queue.take(&w, LONG).await.expect("takes");
        let receipt = delivery.expect("is there").receipt;
        let settled = queue.settle(&w, &receipt, Verdict::Done).await;
        assert_eq!(settled.expect("settles"), Settled::Now);
    }

    assert_eq!(redis.depths(&w).await, (0, 0));
}

#[tokio::test]
async fn a_task_that_python_gave_back_is_one_that_was_given_back() {
    let (redis, w) = (on_one().await, worker("w"));
    let fields = [
        ("task_id", "t"),
        ("requeue_reason", "no slot"),
        ("requeue_at", "2026-03-01T12:00:00.123456+00:00"),
    ];
    redis.add(&w, &fields).await;

    let delivery = redis.queue().take(&w, LONG).await.expect("takes");
    let delivery = delivery.expect("is there");
    assert_eq!((delivery.deliveries, delivery.returns), (1, 1));
    assert_eq!(delivery.reason.as_deref(), Some("no slot"));
}

#[tokio::test]
async fn a_give_back_keeps_every_field_and_says_when_and_why() {
    let (redis, w) = (on_one().await, worker("w"));
    let queue = redis.queue();
    redis.add(&w, &[("task_id", "t"), ("theirs", "x")]).await;
    let given_back = Verdict::GivenBack("no slot".into());
    let delivery = queue.take(&w, LONG).await.expect("takes");
    let receipt = delivery.expect("is there").receipt;
    let settled = queue.settle(&w, &receipt, given_back).await;
    settled.expect("settles");

    let stream = redis.ready(&w);
    let entries = redis.command(&["XRANGE", &stream, "-", "+"]).await;
    let fields = entries.array()[0].array()[1].texts();
    assert_eq!(
        fields[..6],
        ["task_id", "t", "theirs", "x", "requeue_reason", "no slot"]
    );
    assert_eq!(
        (&*fields[6], &fields[8..]),
        (
            "requeue_at",
            &["requeue_count".to_owned(), "1".to_owned()][..]
        )
    );
    assert!(fields[7].ends_with("+00:00"), "{}", fields[7]);
    assert_eq!(redis.depths(&w).await, (0, 1));
}

#[tokio::test]
async fn a_receipt_of_the_python_gateway_settles() {
    let (redis, w) = (on_one().await, worker("w"));
    let (stream, group) = (redis.ready(&w), redis.group());
    let id = redis.add(&w, &[("task_id", "t")]).await;
    redis
        .command(&["XGROUP", "CREATE", &stream, &group, "0"])
        .await;
    let read = ["XREADGROUP", "GROUP", &group, "w", "STREAMS", &stream, ">"];
    redis.command(&read).await;

    let queue = redis.queue();
    let settled = queue.settle(&w, &receipt(&id), Verdict::Done).await;
    assert_eq!(settled.expect("settles"), Settled::Now);
    assert_eq!(redis.depths(&w).await, (0, 0));
}

#[tokio::test]
async fn what_the_python_gateway_handed_out_is_offered_again() {
    let (redis, w) = (on_one().await, worker("w"));
    let (stream, group) = (redis.ready(&w), redis.group());
    redis.add(&w, &[("task_id", "t"), ("timeout", "1")]).await;
    redis
        .command(&["XGROUP", "CREATE", &stream, &group, "0"])
        .await;
    let read = ["XREADGROUP", "GROUP", &group, "w", "STREAMS", &stream, ">"];
    redis.command(&read).await;

    let again = redis.queue().take(&w, LONG).await.expect("takes");
    assert_eq!(again.expect("its lease is over").deliveries, 2);
}

#[tokio::test]
async fn what_is_no_task_dies_at_first_sight_and_blocks_nothing() {
    let (redis, w) = (on_one().await, worker("w"));
    let (queue, stream) = (redis.queue(), redis.ready(&w));
    let nameless = redis.add(&w, &[("params", "{}"), ("worker_id", "x")]).await;
    redis
        .add(&w, &[("task_id", "t-1"), ("params", "[1]")])
        .await;
    redis.add(&w, &[("task_id", "t-2")]).await;

    let taken = queue.take(&w, NOW).await.expect("takes");
    assert_eq!(taken.expect("is there").task.id.as_str(), "t-2");
    assert_eq!(redis.depths(&w).await, (1, 1));
    let dead = redis.key("gateway:dead");
    let dead = redis.command(&["XRANGE", &dead, "-", "+"]).await;
    let fields = dead.array()[0].array()[1].texts();
    let reason = "task_id: 1 to 64 characters of A-Z a-z 0-9 . _ - (got nothing)";
    assert_eq!(
        fields[..7],
        [
            "params",
            "{}",
            "worker_id",
            "x",
            "dead_reason",
            reason,
            "dead_at"
        ]
    );
    let source = [
        "worker_id",
        "w",
        "deliveries",
        "0",
        "source_stream",
        &stream,
        "source_id",
        &nameless,
    ];
    assert_eq!(fields[8..], source);
    assert_eq!(dead.array().len(), 2);
    let unreadable = Action::Unreadable {
        entry: nameless,
        reason: reason.to_owned(),
    };
    assert_eq!(
        (redis.audited().len(), &redis.audited()[0]),
        (2, &unreadable)
    );
}

#[tokio::test]
async fn a_letter_is_shown_queued_again_and_dropped() {
    let (redis, w) = (on_one().await, worker("w"));
    let (queue, letters) = (redis.queue(), redis.backend.dead_letters.clone());
    let fields = [("task_id", "t"), ("theirs", "x"), ("requeue_count", "16")];
    redis.add(&w, &fields).await;
    redis.add(&w, &[("params", "x")]).await;
    let delivery = queue
        .take(&w, LONG)
        .await
        .expect("takes")
        .expect("is there");
    let buried = queue.bury(&w, &delivery.receipt, "used up").await;
    assert_eq!(buried.expect("buries"), Settled::Now);
    let again = queue.bury(&w, &delivery.receipt, "used up").await;
    assert_eq!(again.expect("answers"), Settled::Before);
    assert_eq!(queue.take(&w, NOW).await.expect("takes"), None);

    let listed = letters.list(10).await.expect("lists");
    // What was given back rests, and the other one is found first.
    let [task, unreadable] = &listed[..] else {
        panic!("two letters, not {listed:?}");
    };
    assert!(matches!(&unreadable.content, Content::Unreadable(fields) if fields.len() == 1));
    assert_eq!(
        letters.find(&task.id).await.expect("finds").as_ref(),
        Some(task)
    );
    assert!(letters.discard(&unreadable.id).await.expect("drops"));
    assert!(!letters.discard(&unreadable.id).await.expect("drops"));
    assert!(letters.requeue(&task.id).await.expect("queues"));
    assert!(!letters.requeue(&task.id).await.expect("queues"));
    assert_eq!(letters.list(10).await.expect("lists"), vec![]);

    let renewed = queue
        .take(&w, LONG)
        .await
        .expect("takes")
        .expect("is there");
    assert_eq!((renewed.task, renewed.returns), (delivery.task, 0));
}

#[tokio::test]
async fn a_letter_that_never_was_is_none() {
    let redis = on_one().await;
    let letters = redis.backend.dead_letters.clone();
    for id in ["1-1", "x", "1", "0-0"] {
        let id = LetterId::parse(id).expect("is an identifier");
        assert_eq!(letters.find(&id).await.expect("finds"), None);
        assert!(!letters.requeue(&id).await.expect("answers"));
        assert!(!letters.discard(&id).await.expect("answers"));
    }
}

#[tokio::test]
async fn two_gateways_share_the_queues() {
    let (redis, w) = (on_one().await, worker("w"));
    let here = redis.queue();
    let there = redis.another().await.task_queue;
    redis.add(&w, &[("task_id", "t-1")]).await;
    redis.add(&w, &[("task_id", "t-2")]).await;
    let first = here.take(&w, LONG).await.expect("takes").expect("is there");
    let second = there
        .take(&w, LONG)
        .await
        .expect("takes")
        .expect("is there");
    assert_eq!(second.task.id.as_str(), "t-2");

    let settled = there.settle(&w, &first.receipt, Verdict::Done).await;
    assert_eq!(settled.expect("settles"), Settled::Now);
    let settled = here.settle(&w, &first.receipt, Verdict::Done).await;
    assert_eq!(settled.expect("settles"), Settled::Before);
    let waits = async {
        let begun = tokio::time::Instant::now();
        let again = there
            .take(&w, LONG)
            .await
            .expect("takes")
            .expect("is there");
        assert!(begun.elapsed() < LONG, "nobody was told that it came");
        again
    };
    let restarts = async {
        // By now the other one waits, as far as that can be brought about.
        let other = here.take(&worker("other"), NOW).await;
        assert_eq!(other.expect("looks"), None);
        here.note(&w, &Sign::Restarted).await.expect("notes");
    };
    let (again, ()) = tokio::join!(waits, restarts);
    assert_eq!((again.task, again.deliveries), (second.task, 2));
}
