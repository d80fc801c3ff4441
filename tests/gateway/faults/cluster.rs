//! A cluster whose keys move, and whose nodes fall silent.

use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use super::fleet::Fleet;
use crate::support::OnRedis;
use crate::support::servers::{RedisCluster, until};

/// Workers, and tasks for each.
const WORKERS: usize = 30;
const EACH: usize = 100;

/// How long a poll waits, and after what time its task comes too late to have been told of: a
/// waiting poll looks by itself after half a minute.
const WAIT_MS: i32 = 60_000;
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn slots_move_from_node_to_node_while_workers_poll() {
    let cluster = RedisCluster::start().await;
    let gateway = OnRedis::start(&cluster.url(), "n").await;
    for place in 0..WORKERS {
        enqueue(&cluster, place, 0..EACH).await;
    }
    let fleet = Fleet::start(WORKERS, &[gateway.address]);

    let streams: Vec<_> = (0..WORKERS).map(stream).collect();
    let masters = cluster.masters().await;
    for (round, to) in (1..).zip(&masters) {
        fleet.settled(round * WORKERS * EACH / 4).await;
        cluster.reshard(&streams, to).await;
    }
    fleet.settled(WORKERS * EACH).await;
    // By now all wait, and are told by the node that has their streams now.
    for place in 0..WORKERS {
        enqueue(&cluster, place, EACH..EACH + 1).await;
    }
    let all = WORKERS * (EACH + 1);
    fleet.settled(all).await;

    fleet.end(all).await;
    for place in 0..WORKERS {
        let left = cluster.command(&["XLEN", &stream(place)]).await.int();
        assert_eq!(left, 0, "{}", stream(place));
        let polled = gateway.worker(&format!("w-{place}")).poll(1).await;
        assert!(!polled.expect("is served").has_task);
    }
    assert_eq!(errors(&cluster, "CROSSSLOT").await, 0);
    let moved = errors(&cluster, "MOVED").await + errors(&cluster, "ASK").await;
    println!("{moved} commands were sent on to another node");
    assert!(moved > 0, "nobody was at the wrong node");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_at_one_node_is_killed_again_and_again() {
    let cluster = RedisCluster::start().await;
    let gateway = OnRedis::start(&cluster.url(), "n").await;
    let masters = cluster.masters().await;

    let mut killed = 0;
    for round in 0..6 {
        let mut polls = JoinSet::new();
        for place in 0..WORKERS {
            let worker = gateway.worker(&format!("w-{place}"));
            polls.spawn(async move {
                let polled = worker.poll(WAIT_MS).await.expect("is served");
                let acked = worker.ack(&polled.receipt_id, true).await;
                acked.expect("is settled");
                polled.task.expect("there is one").task_id
            });
        }
        until("all have looked", || async {
            let mut looked = 0;
            for place in 0..WORKERS {
                looked += cluster.command(&["EXISTS", &stream(place)]).await.int();
            }
            (looked == i64::try_from(WORKERS).expect("is a small number")).then_some(())
        })
        .await;
        let kill = ["CLIENT", "KILL", "TYPE", "pubsub"];
        killed += masters[round % masters.len()].command(&kill).await.int();
        for place in 0..WORKERS {
            enqueue(&cluster, place, round..round + 1).await;
        }
        let all = timeout(SOON, polls.join_all()).await;
        assert!(all.is_ok(), "round {round}: nobody told them");
    }
    assert!(killed > 0, "nobody listened");
    gateway.stop().await;
}

fn stream(place: usize) -> String {
    format!("n:task:ready:w-{place}")
}

/// Queues some tasks for one worker, as the Master does.
async fn enqueue(cluster: &RedisCluster, place: usize, some: std::ops::Range<usize>) {
    let stream = stream(place);
    let mut redis = cluster.owner(&stream).await.connect().await;
    for number in some.clone() {
        let task = format!("t-{place}-{number}");
        let entry = ["XADD", &stream, "*", "task_id", &task, "run_id", &task];
        redis.send(&entry).await.expect("sends");
    }
    for _ in some {
        let added = redis.receive().await.expect("answers");
        assert_eq!(added.error(), None);
    }
}

/// How many commands all nodes together answered with an error of this kind.
async fn errors(cluster: &RedisCluster, kind: &str) -> u64 {
    let mut sum = 0;
    for node in cluster.nodes() {
        let stats = node.command(&["INFO", "errorstats"]).await.text();
        let count = stats.lines().find_map(|line| {
            let count = line.strip_prefix("errorstat_")?.strip_prefix(kind)?;
            count.strip_prefix(":count=")?.parse::<u64>().ok()
        });
        sum += count.unwrap_or_default();
    }
    sum
}
