//! Redis answers late.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;

use super::fleet::{assert_empty, enqueue};
use super::trial::{it_hears, line};
use crate::support::OnRedis;
use crate::support::servers::{Proxy, RedisServer, until};

/// Calls of each kind that are under way at once.
const CALLS: i64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_redis_hangs_nobody_and_holds_no_result_up() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let gateway = OnRedis::start(&proxy.url(), "n").await;
    let mut redis = server.connect().await;
    it_hears(&mut redis).await;
    enqueue(&mut redis, "n", 1, 1).await;
    let worker = gateway.worker("w-0");
    let (task, receipt) = worker.take().await;
    worker.log(vec![line(0)]).await.expect("is taken");

    proxy.delay(Duration::from_secs(1));
    let mut calls = JoinSet::new();
    for sequence in 1..=CALLS {
        let polls = gateway.worker(&format!("p-{sequence}"));
        let (logs, beats) = (worker.clone(), worker.clone());
        calls.spawn(async move {
            let answer = logs.log(vec![line(sequence)]).await;
            answer.map(|()| Some(sequence))
        });
        calls.spawn(async move { beats.beat(1).await.map(|()| None) });
        calls.spawn(async move { polls.poll_control(1).await.map(|_| None) });
    }
    worker
        .report(&task.run_id, "success")
        .await
        .expect("is taken");
    let answered = calls.try_join_next();
    assert!(answered.is_none(), "none is that fast: {answered:?}");
    let mut taken = BTreeSet::from(["0".to_owned()]);
    while let Some(answer) = calls.join_next().await {
        match answer.expect("does not panic") {
            Ok(sequence) => taken.extend(sequence.map(|sequence| sequence.to_string())),
            Err(refused) => assert_eq!(refused.code(), Code::Unavailable, "{refused:?}"),
        }
    }

    proxy.pass();
    until("it is settled", || async {
        worker.ack(&receipt, true).await.ok()
    })
    .await;
    assert_empty(&mut redis, "n", 2).await;
    let stored = stored(&mut redis).await;
    let different: BTreeSet<_> = stored.iter().cloned().collect();
    println!("{} of {CALLS} lines were taken in time", taken.len() - 1);
    assert_eq!(different.len(), stored.len(), "some lines are doubled");
    assert!(taken.is_subset(&different), "{taken:?} but {stored:?}");
    gateway.stop().await;
}

/// The sequences of all lines of the run.
async fn stored(redis: &mut crate::support::servers::Connection) -> Vec<String> {
    let range = ["XRANGE", "n:log:stream:t-0", "-", "+"];
    let entries = redis.call(&range).await.expect("answers");
    let sequences = entries.array().iter().map(|entry| {
        let fields = entry.array()[1].texts();
        let at = fields.iter().position(|field| field == "sequence");
        fields[at.expect("has a sequence") + 1].clone()
    });
    sequences.collect()
}
