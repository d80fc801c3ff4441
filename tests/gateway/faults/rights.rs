//! A gateway that may do in Redis only what it must, or less.

use std::time::Duration;

use tokio::time::timeout;

use super::fleet::{assert_empty, enqueue};
use crate::support::servers::{LONG, RedisServer, until};
use crate::support::{Program, Worker};

/// What the README says that a user needs, but for channels.
const USER: &str = "ACL SETUSER gateway on >a-password-of-redis ~n:* resetchannels &n:* +@stream +@hash \
                    +@string +@list +@keyspace +@scripting +@pubsub +@connection +config +info \
                    +time";

/// The channels on which Redis tells of entries; the patterns count word for word.
const CHANNELS: &str = "&__keyspace@0__:n:task:ready:* &__keyspace@0__:n:control:* \
                        &__keyspace@0__:n:gateway:probe:*";

/// More tests than after which a gateway that hears nothing connects anew.
const TESTS: i64 = 10;

/// Sooner than a waiting poll looks by itself.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn the_least_rights_are_enough_to_be_told_of_entries() {
    let server = RedisServer::start().await;
    let mut program = start(&server, &format!("{USER} {CHANNELS}")).await;

    let hears = "waiting polls are woken by keyspace notifications";
    let hears = timeout(LONG, program.logged(hears)).await;
    hears.expect("is told of entries");
    task_arrives(&server, &program).await;

    let refused = server.command(&["ACL", "LOG"]).await;
    assert_eq!(refused.array().len(), 0, "{refused:?}");
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_notifications_it_waits_on_the_streams_for_good() {
    let server = RedisServer::start().await;
    // It may hear of its own tests, but not of the entries of workers.
    let user = format!("{USER} &__keyspace@0__:n:*");
    let mut program = start(&server, &user).await;

    let waits = "no keyspace notifications from Redis, and no right to turn them on: waiting on \
                 the streams; CONFIG SET notify-keyspace-events Kt would make it cheaper";
    let waits = timeout(LONG, program.logged(waits)).await;
    waits.expect("takes the other way");
    let listens = listeners(&server).await;
    assert_eq!(listens.len(), 1, "{listens:?}");
    let often = async { while tests(&server).await < TESTS {} };
    if timeout(LONG, often).await.is_err() {
        let count = tests(&server).await;
        program.signal("TERM");
        panic!("{count} tests: {}", program.end().await.1);
    }
    assert_eq!(listeners(&server).await, listens, "connected anew");

    task_arrives(&server, &program).await;
    let hears = ["PUBSUB", "NUMSUB", "n:gateway:bell"];
    let hears = server.command(&hears).await;
    assert_eq!(hears.array()[1].int(), 1, "it does not hear the bell");
    let clients = server.command(&["CLIENT", "LIST"]).await.text();
    let connections = clients.matches("user=gateway").count();
    assert!(connections <= 16, "{connections} connections");
    program.signal("TERM");
    let (status, log) = program.end().await;
    assert!(status.success(), "{status}: {log}");
    assert!(!log.contains("woken by keyspace notifications"), "{log}");
}

async fn start(server: &RedisServer, user: &str) -> Program {
    let user: Vec<_> = user.split_whitespace().collect();
    assert_eq!(server.command(&user).await.text(), "OK");
    let url = server
        .url()
        .replace("://", "://gateway:a-password-of-redis@");
    Program::start(&[
        ("REDIS_URL", &url),
        ("REDIS_NAMESPACE", "n"),
        ("AUTH_ENABLED", "false"),
        ("LOG_LEVEL", "INFO,gateway_adapters=debug"),
    ])
    .await
}

/// A poll that waits gets the task that comes.
async fn task_arrives(server: &RedisServer, program: &Program) {
    let worker = Worker::new(program.grpc, "w-0", None);
    let waits = tokio::spawn({
        let worker = worker.clone();
        async move { worker.take().await }
    });
    // A look makes the stream.
    until("it has looked", || async {
        let there = server.command(&["EXISTS", "n:task:ready:w-0"]).await;
        (there.int() == 1).then_some(())
    })
    .await;
    enqueue(&mut server.connect().await, "n", 1, 1).await;
    let taken = timeout(SOON, waits).await.expect("is told of the task");
    let (_, receipt) = taken.expect("does not panic");
    worker.ack(&receipt, true).await.expect("is settled");
    assert_empty(&mut server.connect().await, "n", 1).await;
}

/// The connections that listen, by their numbers.
async fn listeners(server: &RedisServer) -> Vec<String> {
    let clients = server.command(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
    let clients = clients.text();
    let numbers = clients
        .lines()
        .filter_map(|client| client.split(' ').next());
    numbers.map(str::to_owned).collect()
}

/// How many tests the gateway has made.
async fn tests(server: &RedisServer) -> i64 {
    let script = "local sum = 0 \
                  for _, key in ipairs(redis.call('KEYS', 'n:gateway:probe:*')) do \
                      local info = redis.call('XINFO', 'STREAM', key) \
                      for at = 1, #info, 2 do \
                          if info[at] == 'entries-added' then sum = sum + info[at + 1] end \
                      end \
                  end \
                  return sum";
    server.command(&["EVAL", script, "0"]).await.int()
}
