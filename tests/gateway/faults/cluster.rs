//! A cluster whose keys move, and whose nodes fall silent.

use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use super::fleet::Fleet;
use crate::support::OnRedis;
use crate::support::servers::{RedisCluster, RedisServer, Reply, until};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_joins_later_is_listened_to() {
    let cluster = RedisCluster::start().await;
    let masters = cluster.masters().await;
    // One without slots is no part of what clients see.
    give_away_all(&cluster, masters[2], masters[0]).await;
    let gateway = OnRedis::start(&cluster.url(), "n").await;
    let worker = gateway.worker("w-0");
    worker.poll(1).await.expect("is served");
    assert!(!is_listened_to(masters[2]).await);

    cluster.reshard(&[stream(0)], masters[2]).await;
    until("it is listened to", || async {
        worker.poll(1).await.expect("is served");
        is_listened_to(masters[2]).await.then_some(())
    })
    .await;
    let mut told = false;
    // What is told while a connection is made anew is lost, and found by a look that comes later.
    for number in 0..3 {
        let worker = worker.clone();
        let mut polls = tokio::spawn(async move { worker.poll(WAIT_MS).await });
        enqueue(&cluster, 0, number..number + 1).await;
        let soon = timeout(SOON, &mut polls).await;
        told = soon.is_ok();
        let polled = match soon {
            Ok(polled) => polled,
            Err(_) => polls.await,
        };
        assert!(polled.expect("does not panic").expect("is served").has_task);
        if told {
            break;
        }
    }
    assert!(told, "nobody told it");
    gateway.stop().await;
}

/// Makes one node that of all the slots of another, which are empty.
async fn give_away_all(cluster: &RedisCluster, from: &RedisServer, to: &RedisServer) {
    for node in cluster.nodes() {
        // Else one without slots becomes a replica.
        let set = ["CONFIG", "SET", "cluster-allow-replica-migration", "no"];
        assert_eq!(node.command(&set).await.error(), None);
    }
    let to_id = to.command(&["CLUSTER", "MYID"]).await.text();
    // Those who are told by others believe whoever has the newest word.
    to.command(&["CLUSTER", "BUMPEPOCH"]).await;
    let slots = slots_of(to, from.port()).await;
    for node in cluster.masters().await {
        let mut redis = node.connect().await;
        for slot in &slots {
            let give = ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &to_id];
            redis.send(&give).await.expect("sends");
        }
        for _ in &slots {
            let given = redis.receive().await.expect("answers");
            assert_eq!(given.error(), None);
        }
    }
    for node in cluster.nodes() {
        until("all have heard of it", || async {
            slots_of(node, from.port()).await.is_empty().then_some(())
        })
        .await;
    }
}

/// The slots of the node at this port, as another node knows it.
async fn slots_of(node: &RedisServer, port: u16) -> Vec<i64> {
    let ranges = node.command(&["CLUSTER", "SLOTS"]).await;
    let ranges = ranges.array().iter().map(Reply::array);
    let its = ranges.filter(|range| range[2].array()[1].int() == i64::from(port));
    its.flat_map(|range| range[0].int()..=range[1].int())
        .collect()
}

/// Whether somebody subscribes to what this node tells of.
async fn is_listened_to(node: &RedisServer) -> bool {
    let patterns = node.command(&["PUBSUB", "NUMPAT"]).await.int();
    patterns > 0
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
