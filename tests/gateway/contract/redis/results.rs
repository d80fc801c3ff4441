//! The stream of results, as the Master reads it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::run::{Data, Message, Recorded, Report, RunStatus};
use gateway_core::ports::{self, ResultFeed as _, ResultStore as _};
use serde_json::json;

use super::super::result_feed::Feeds;
use super::super::spool::report;
use super::super::{run, task_id};
use super::{Redis, on_cluster, on_one, persist};
use crate::support::servers::{Proxy, RedisOptions, RedisServer};

/// Entries, each its fields in their order.
type Entries = Vec<Vec<(String, String)>>;

impl Feeds for Redis {
    fn feed(&self) -> Arc<dyn ports::ResultFeed> {
        self.backend.result_feed.clone()
    }

    async fn told(&self) -> Vec<(String, String)> {
        let stream = self.key("task:result");
        let entries = self.command(&["XRANGE", &stream, "-", "+"]).await;
        let entries = entries
            .array()
            .iter()
            .map(|entry| fields(&entry.array()[1]));
        let text = |entry: &[(String, String)], name| {
            let named = entry.iter().find(|(other, _)| other == name);
            named.expect("has the field").1.clone()
        };
        entries
            .map(|entry| (text(&entry, "run_id"), text(&entry, "status")))
            .collect()
    }
}

fn fields(flat: &crate::support::servers::Reply) -> Vec<(String, String)> {
    let texts = flat.texts();
    let pairs = texts.chunks_exact(2);
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

impl Redis {
    /// What the Master reads by its group, which it did not make.
    async fn read_by_the_master(&self) -> Entries {
        let stream = self.key("task:result");
        let read = [
            "XREADGROUP",
            "GROUP",
            "antcode-results",
            "master",
            "STREAMS",
            &stream,
            ">",
        ];
        let answer = self.command(&read).await;
        assert_eq!(answer.error(), None);
        let entries = answer.array()[0].array()[1].array();
        entries
            .iter()
            .map(|entry| fields(&entry.array()[1]))
            .collect()
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

/// A result, a result that says nothing, and a change of status.
fn reports() -> [Report; 3] {
    let time = |text: &str| Some(text.parse().expect("is a time"));
    let data = json!({"rows": 3, "text": "行"});
    let whole = Report {
        message: Message::Result,
        task: Some(task_id("t")),
        exit_code: Some(1),
        error_message: "boom\n".into(),
        started_at: time("2027-01-15T16:00:00.25+08:00"),
        finished_at: time("2027-01-15T08:00:02Z"),
        duration: Some(Duration::from_micros(1_750_900)),
        data: Data::parse(&data.to_string()).expect("is an object"),
        ..report("r-1", RunStatus::Failed)
    };
    let bare = Report {
        message: Message::Result,
        exit_code: Some(0),
        ..report("r-2", RunStatus::Success)
    };
    [whole, bare, report("r-3", RunStatus::Running)]
}

fn as_the_master_reads() -> Entries {
    let whole = [
        ("run_id", "r-1"),
        ("task_id", "t"),
        ("status", "failed"),
        ("exit_code", "1"),
        ("error_message", "boom\n"),
        ("started_at", "2027-01-15T08:00:00.250000+00:00"),
        ("finished_at", "2027-01-15T08:00:02.000000+00:00"),
        ("duration_ms", "1750"),
        ("data", r#"{"rows":3,"text":"行"}"#),
    ];
    let bare = [
        ("run_id", "r-2"),
        ("status", "success"),
        ("exit_code", "0"),
        ("duration_ms", "0"),
    ];
    let change = [
        ("run_id", "r-3"),
        ("status", "running"),
        ("started_at", "2027-01-15T08:00:00.000000+00:00"),
    ];
    vec![pairs(&whole), pairs(&bare), pairs(&change)]
}

#[tokio::test]
async fn the_master_reads_every_field_though_it_comes_later() {
    for redis in [on_one().await, on_cluster().await] {
        let published = redis.backend.result_feed.publish(&reports()).await;
        published.expect("publishes");

        assert_eq!(redis.read_by_the_master().await, as_the_master_reads());
        // What it has acknowledged is its own to take away.
        let length = redis.command(&["XLEN", &redis.key("task:result")]).await;
        assert_eq!(length.int(), 3);
    }
}

#[tokio::test]
async fn a_group_that_the_master_made_is_left_as_it_is() {
    let redis = on_one().await;
    let stream = redis.key("task:result");
    redis
        .command(&["XADD", &stream, "5-0", "run_id", "old"])
        .await;
    let create = ["XGROUP", "CREATE", &stream, "antcode-results", "$"];
    redis.command(&create).await;

    redis
        .backend
        .result_feed
        .publish(&reports())
        .await
        .expect("publishes");
    assert_eq!(redis.read_by_the_master().await, as_the_master_reads());
}

#[tokio::test]
async fn a_store_that_hands_on_knows_how_runs_ended_and_nothing_else() {
    for redis in [on_one().await, on_cluster().await] {
        let store = redis.backend.result_stream.clone();
        for report in reports() {
            let recorded = store.record(&report).await.expect("hands on");
            assert_eq!(recorded, Recorded::Published);
        }
        assert_eq!(redis.read_by_the_master().await, as_the_master_reads());

        let there = redis.another().await.result_stream;
        for (of, ended) in [
            ("r-1", Some(RunStatus::Failed)),
            ("r-2", Some(RunStatus::Success)),
            ("r-3", None),
            ("r-4", None),
        ] {
            assert_eq!(there.status(&run(of)).await.expect("looks"), ended, "{of}");
        }
        // A repeated report is handed on again, and another end does not hide the first.
        store
            .record(&report("r-1", RunStatus::Success))
            .await
            .expect("hands on");
        let first = there.status(&run("r-1")).await.expect("looks");
        assert_eq!(first, Some(RunStatus::Failed));
        assert_eq!(redis.told().await.len(), 4);
    }
}

#[tokio::test]
async fn what_is_remembered_of_results_expires() {
    let redis = on_one().await;
    let store = redis.backend.result_stream.clone();
    store.record(&reports()[0]).await.expect("hands on");

    for (key, at_most) in [
        ("gateway:ended:*", 24 * 3_600_000),
        ("gateway:told:*", 100_000),
    ] {
        let keys = redis.command(&["KEYS", &redis.key(key)]).await.texts();
        assert_eq!(keys.len(), 1, "{key}");
        let left = redis.command(&["PTTL", &keys[0]]).await.int();
        assert!((1..=at_most).contains(&left), "{key}: {left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_double_nothing() {
    let redis = on_one().await;
    let proxy = Proxy::start(RedisServer::shared().await.port()).await;
    let there = redis.through(&proxy.url()).await;
    proxy.lose_replies(0.03);
    let mut sure = BTreeSet::new();
    for count in 0..100 {
        let [a, b, c] = ["a", "b", "c"].map(|each| {
            let of = format!("{each}-{count}");
            report(&of, RunStatus::Success)
        });
        let (feed, store, both) = (&there.result_feed, &there.result_stream, [b, c]);
        let calls = || async { tokio::join!(feed.publish(&both), store.record(&a)) };
        let (published, recorded) = persist(&there, calls).await;
        // One that fails may be told of or not, but not twice.
        if published.is_ok() {
            sure.extend(both.map(|report| report.run.to_string()));
        }
        if recorded.is_ok() {
            sure.insert(a.run.to_string());
        }
    }

    assert!(proxy.lost() > 0, "no answer was lost");
    let told = redis.told().await;
    let distinct: BTreeSet<_> = told.iter().map(|(run, _)| run.clone()).collect();
    assert_eq!(distinct.len(), told.len(), "{told:?}");
    assert!(sure.is_subset(&distinct), "{told:?}");
}

#[tokio::test]
async fn a_redis_without_memory_takes_nothing_and_gives_out_what_it_has() {
    let server = RedisServer::start_with(RedisOptions::default()).await;
    let redis = on_one().await;
    let full = redis.through(&server.url()).await;
    let report = report("r", RunStatus::Success);
    ports::Spool::put(&*full.spool, &report)
        .await
        .expect("is put in");
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let refused = full.result_stream.record(&report).await;
    assert!(
        matches!(refused, Err(ports::ResultError::Unavailable(_))),
        "{refused:?}"
    );
    let refused = full
        .result_feed
        .publish(std::slice::from_ref(&report))
        .await;
    assert!(
        matches!(refused, Err(ports::FeedError::Unavailable(_))),
        "{refused:?}"
    );
    let refused = ports::Spool::put(&*full.spool, &report).await;
    assert!(
        matches!(refused, Err(ports::SpoolError::Unavailable(_))),
        "{refused:?}"
    );

    let taken = ports::Spool::take(&*full.spool, 10).await.expect("takes");
    assert_eq!(taken.len(), 1);
    let settled = ports::Spool::settle(&*full.spool, &[taken[0].id.clone()]).await;
    settled.expect("settles");
    let left = ports::Spool::backlog(&*full.spool).await.expect("tells");
    assert_eq!(left.depth, 0);
}
