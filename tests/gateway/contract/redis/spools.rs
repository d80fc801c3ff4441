//! The spool, and what may happen to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_core::domain::run::RunStatus;
use gateway_core::domain::task::Content;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{self, DeadLetters as _, Spool as _};

use super::super::spool::{Spools, ids, report, runs, take};
use super::super::{run, worker};
use super::{Redis, on_cluster, on_one, persist};
use crate::support::servers::{Proxy, RedisServer};

const TAKE: &str = include_str!("../../../../adapters/outbound/redis/lua/spool_take.lua");

impl Spools for Redis {
    fn spool(&self) -> Arc<dyn ports::Spool> {
        self.backend.spool.clone()
    }

    async fn another_spool(&self) -> Arc<dyn ports::Spool> {
        self.another().await.spool
    }

    async fn end_leases(&self) {
        let (spool, group) = (self.spool_key(), self.spool_group());
        let pending = ["XPENDING", &spool, &group, "-", "+", "1000"];
        for entry in self.command(&pending).await.array() {
            let (id, consumer) = (entry.array()[0].text(), entry.array()[1].text());
            let age = [
                "XCLAIM", &spool, &group, &consumer, "0", &id, "IDLE", "30001", "JUSTID",
            ];
            assert_eq!(self.command(&age).await.error(), None);
        }
    }

    async fn now(&self) -> Timestamp {
        // It may be that of another node, but all are on this machine.
        let time = self.command(&["TIME"]).await.texts();
        let [second, micros] = [&time[0], &time[1]].map(|text| text.parse::<i64>());
        let millis = second.expect("is a number") * 1000 + micros.expect("is a number") / 1000;
        Timestamp::from_millisecond(millis).expect("is a time")
    }
}

impl Redis {
    fn spool_key(&self) -> String {
        self.key("gateway:spool")
    }

    fn spool_group(&self) -> String {
        format!("{}-gateway", self.settings.namespace)
    }

    async fn consumers(&self) -> BTreeSet<String> {
        let (spool, group) = (self.spool_key(), self.spool_group());
        let consumers = self.command(&["XINFO", "CONSUMERS", &spool, &group]).await;
        let consumers = consumers.array().iter();
        consumers
            .map(|consumer| consumer.array()[1].text())
            .collect()
    }

    /// The ids of what a consumer takes by a call of this name.
    async fn take_reports(&self, consumer: &str, token: &str) -> Vec<String> {
        self.take_and_forget(consumer, token, "3600000").await
    }

    async fn take_and_forget(&self, consumer: &str, token: &str, silence: &str) -> Vec<String> {
        let (spool, group) = (self.spool_key(), self.spool_group());
        let key = self.key(&format!("gateway:taken:{token}:{{{spool}}}"));
        let words = [
            "EVAL", TAKE, "2", &spool, &key, &group, consumer, "2", "30000", "60000", silence,
        ];
        let answer = self.command(&words).await;
        assert_eq!(answer.error(), None);
        let entries = answer.array()[0].array().iter();
        entries.map(|entry| entry.array()[0].text()).collect()
    }

    async fn fill(&self, runs: &[&str]) {
        for of in runs {
            let put = self.spool().put(&report(of, RunStatus::Success)).await;
            put.expect("is put in");
        }
    }
}

#[tokio::test]
async fn a_group_that_is_gone_is_made_again_within_the_call() {
    for redis in [on_one().await, on_cluster().await] {
        let (spool, key, group) = (redis.spool(), redis.spool_key(), redis.spool_group());
        redis.fill(&["r-1", "r-2"]).await;
        let first = take(&spool, 1).await;
        redis.command(&["XGROUP", "DESTROY", &key, &group]).await;

        // Nothing says any more that the first was taken.
        let taken = take(&spool, 10).await;
        assert_eq!(runs(&taken), ["r-1", "r-2"]);
        redis.command(&["XGROUP", "DESTROY", &key, &group]).await;
        spool.release(&ids(&first)).await.expect("releases");
        spool.settle(&ids(&taken)).await.expect("settles");
        assert_eq!(take(&spool, 10).await, []);

        redis.command(&["DEL", &key]).await;
        assert_eq!(take(&spool, 10).await, []);
        redis.fill(&["r-3"]).await;
        assert_eq!(runs(&take(&spool, 10).await), ["r-3"]);
    }
}

#[tokio::test]
async fn what_is_no_report_is_buried_on_sight() {
    for redis in [on_one().await, on_cluster().await] {
        let (spool, key) = (redis.spool(), redis.spool_key());
        for run_id in ["r-1", "r-2"] {
            let add = [
                "XADD",
                &key,
                "*",
                "run_id",
                run_id,
                "worker_id",
                "w",
                "status",
                "gone",
            ];
            redis.command(&add).await;
        }
        redis.command(&["XADD", &key, "*", "x", "y"]).await;
        redis.fill(&["r-3"]).await;

        // Nothing would say that nothing waits.
        assert_eq!(runs(&take(&spool, 2).await), ["r-3"]);
        assert_eq!(redis.command(&["XLEN", &key]).await.int(), 1);
        let letters = redis.backend.dead_letters.list(10).await.expect("lists");
        let whose: Vec<_> = letters
            .iter()
            .map(|letter| letter.worker.as_str())
            .collect();
        assert_eq!(whose, ["unknown", "w", "w"]);
        assert!(letters[1].reason.starts_with("at: "), "{letters:?}");
        let Content::Unreadable(fields) = &letters[1].content else {
            panic!("{letters:?}");
        };
        assert_eq!(fields["run_id"], "r-2");
    }
}

#[tokio::test]
async fn an_envelope_says_where_a_result_comes_from() {
    let redis = on_one().await;
    let report = report("r", RunStatus::Failed);
    redis
        .spool()
        .bury(&report, "unknown run")
        .await
        .expect("buries");

    let dead = redis.key("gateway:dead");
    let entries = redis.command(&["XRANGE", &dead, "-", "+"]).await;
    let texts = entries.array()[0].array()[1].texts();
    let pairs: Vec<_> = texts.chunks(2).map(|pair| (&*pair[0], &*pair[1])).collect();
    assert_eq!(
        pairs[..3],
        [("run_id", "r"), ("worker_id", "w"), ("status", "failed")]
    );
    let envelope = &pairs[pairs.len() - 6..];
    assert_eq!(envelope[0], ("dead_reason", "unknown run"));
    assert_eq!(envelope[2], ("worker_id", "w"));
    assert_eq!(envelope[3], ("deliveries", "0"));
    assert_eq!(envelope[4], ("source_stream", redis.spool_key().as_str()));
    assert_eq!((envelope[1].0, envelope[5].0), ("dead_at", "source_id"));
}

#[tokio::test]
async fn reports_that_somebody_deleted_hide_nothing() {
    let redis = on_one().await;
    let spool = redis.spool();
    redis.fill(&["r-1", "r-2", "r-3"]).await;
    let taken = take(&spool, 2).await;
    let key = redis.spool_key();
    redis.command(&["XDEL", &key, taken[0].id.as_str()]).await;
    redis.end_leases().await;

    assert_eq!(runs(&take(&spool, 10).await), ["r-2", "r-3"]);
    let pending = redis
        .command(&["XPENDING", &key, &redis.spool_group()])
        .await;
    assert_eq!(pending.array()[0].int(), 2);
}

#[tokio::test]
async fn a_take_that_is_repeated_takes_the_same() {
    let redis = on_one().await;
    redis.fill(&["r-1", "r-2", "r-3"]).await;

    let first = redis.take_reports("here", "0a").await;
    assert_eq!(first.len(), 2);
    assert_eq!(redis.take_reports("here", "0a").await, first);
    assert_eq!(redis.take_reports("there", "0b").await.len(), 1);
    // What was settled meanwhile, or is another's, is not taken again.
    let key = redis.spool_key();
    redis.command(&["XDEL", &key, &first[0]]).await;
    assert_eq!(redis.take_reports("here", "0a").await, first[1..]);
    let group = redis.spool_group();
    redis
        .command(&["XCLAIM", &key, &group, "there", "0", &first[1]])
        .await;
    assert_eq!(redis.take_reports("here", "0a").await, [""; 0]);
}

#[tokio::test]
async fn gateways_that_are_gone_are_forgotten_once_they_hold_nothing() {
    let redis = on_one().await;
    let (key, group) = (redis.spool_key(), redis.spool_group());
    redis.fill(&["r-1", "r-2", "r-3"]).await;
    redis.take_reports("holds", "0a").await;
    let create = ["XGROUP", "CREATECONSUMER", &key, &group, "silent"];
    redis.command(&create).await;
    let known = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();

    // Of three, it takes the one that is left.
    redis.take_reports("here", "0b").await;
    let all: BTreeSet<_> = known(&["here", "holds", "silent"]);
    assert_eq!(redis.consumers().await, all);
    // As if an hour had passed.
    redis.take_and_forget("here", "0c", "-1").await;
    let left: BTreeSet<_> = known(&["here", "holds"]);
    assert_eq!(redis.consumers().await, left);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_double_nothing_and_lose_nothing() {
    let redis = on_one().await;
    let proxy = Proxy::start(RedisServer::shared().await.port()).await;
    let there = redis.through(&proxy.url()).await;
    proxy.lose_replies(0.03);
    let mut sure = BTreeSet::new();
    for count in 0..200 {
        let of = format!("r-{count}");
        let report = report(&of, RunStatus::Success);
        // One that fails may be in it or not, but not twice.
        if persist(&there, || there.spool.put(&report)).await.is_ok() {
            sure.insert(of);
        }
    }

    let mut drained = Vec::new();
    loop {
        let Ok(taken) = persist(&there, || there.spool.take(3)).await else {
            // What it may have taken waits for its lease to end.
            redis.end_leases().await;
            continue;
        };
        if taken.is_empty() {
            break;
        }
        let ids = ids(&taken);
        while persist(&there, || there.spool.settle(&ids)).await.is_err() {}
        drained.extend(runs(&taken).into_iter().map(str::to_owned));
    }
    assert!(proxy.lost() > 0, "no answer was lost");
    let distinct: BTreeSet<_> = drained.iter().cloned().collect();
    assert_eq!(distinct.len(), drained.len(), "{drained:?}");
    assert!(sure.is_subset(&distinct), "{drained:?}");
    let ends = [sure.first(), sure.last()];
    for of in ends.into_iter().flatten() {
        let ended = redis.spool().ended(&run(of)).await.expect("looks");
        assert_eq!(ended, Some(RunStatus::Success));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burial_whose_answer_is_lost_is_one_burial() {
    let redis = on_one().await;
    let proxy = Proxy::start(RedisServer::shared().await.port()).await;
    let there = redis.through(&proxy.url()).await;
    proxy.lose_replies(0.03);
    let mut sure = 0;
    for count in 0..200 {
        let report = report(&format!("r-{count}"), RunStatus::Success);
        let buried = persist(&there, || there.spool.bury(&report, "too long")).await;
        sure += usize::from(buried.is_ok());
    }

    assert!(proxy.lost() > 0, "no answer was lost");
    let letters = redis.backend.dead_letters.list(1000).await.expect("lists");
    let runs = letters.iter().map(|letter| match &letter.content {
        Content::Result(report) => report.run.to_string(),
        Content::Task(_) | Content::Unreadable(_) => panic!("{letter:?}"),
    });
    let distinct: BTreeSet<_> = runs.collect();
    assert_eq!(distinct.len(), letters.len(), "{letters:?}");
    assert!(letters.len() >= sure, "{letters:?}");
    assert!(letters.iter().all(|letter| letter.worker == worker("w")));
}
