//! The database is away, or refuses; what workers report waits in Redis.

use super::reporters::{Reporters, prepare};
use super::{RESULTS, drained, gateway, spooled};
use crate::support::servers::{MariaDb, RedisServer, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_killed_and_restarted_under_load() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway(&redis, &database).await;
    let reporters = Reporters::start(&[gateway.grpc], RESULTS);

    for part in [RESULTS / 4, RESULTS / 2] {
        reporters.taken(part).await;
        server.kill();
        server.restart().await;
    }
    assert_eq!(reporters.failures(), 0);
    reporters.end(&database).await;
    drained(&redis).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_succeeds_while_the_database_is_away() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway(&redis, &database).await;
    let reporters = Reporters::start(&[gateway.grpc], RESULTS);

    reporters.taken(RESULTS / 4).await;
    server.stop();
    reporters.taken(RESULTS * 3 / 4).await;
    assert!(spooled(&redis).await > 0);
    server.restart().await;
    reporters.taken(RESULTS).await;
    assert_eq!(reporters.failures(), 0);
    reporters.end(&database).await;
    drained(&redis).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_is_killed_again_and_again() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway(&redis, &database).await;
    let reporters = Reporters::start(&[gateway.grpc], RESULTS);

    for part in 1..=8 {
        reporters.taken(RESULTS / 10 * part).await;
        server.kill_connections().await;
    }
    reporters.taken(RESULTS).await;
    assert_eq!(reporters.failures(), 0);
    reporters.end(&database).await;
    drained(&redis).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_takes_no_writes_for_a_while() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway(&redis, &database).await;
    let reporters = Reporters::start(&[gateway.grpc], RESULTS);

    reporters.taken(RESULTS / 4).await;
    server.query("SET GLOBAL read_only = 1").await;
    until("results wait", || async {
        (spooled(&redis).await > 0).then_some(())
    })
    .await;
    reporters.taken(RESULTS / 2).await;
    server.query("SET GLOBAL read_only = 0").await;
    reporters.taken(RESULTS).await;
    assert_eq!(reporters.failures(), 0);
    reporters.end(&database).await;
    drained(&redis).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_the_database_is_full_for_a_while() {
    let redis = RedisServer::start().await;
    let server = MariaDb::start_on_small_disk(150).await;
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway(&redis, &database).await;
    let reporters = Reporters::start(&[gateway.grpc], RESULTS);

    reporters.taken(RESULTS / 10).await;
    server.fill_disk();
    until("results wait", || async {
        (spooled(&redis).await > 0).then_some(())
    })
    .await;
    server.free_disk();
    reporters.taken(RESULTS).await;
    assert_eq!(reporters.failures(), 0);
    reporters.end(&database).await;
    drained(&redis).await;
    gateway.stop().await;
}

/// What comes back first has nothing to do with what is lost: nothing.
async fn both_are_away(database_first: bool) {
    let redis = RedisServer::start_with(crate::support::servers::RedisOptions {
        append_only: true,
        ..Default::default()
    })
    .await;
    let server = MariaDb::start().await;
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway(&redis, &database).await;
    let reporters = Reporters::start(&[gateway.grpc], RESULTS);

    reporters.taken(RESULTS / 4).await;
    server.kill();
    until("results wait", || async {
        (spooled(&redis).await > 0).then_some(())
    })
    .await;
    redis.kill();
    let failures = reporters.failures();
    until("reports are refused", || async {
        (reporters.failures() > failures).then_some(())
    })
    .await;
    if database_first {
        server.restart().await;
        redis.restart().await;
    } else {
        redis.restart().await;
        server.restart().await;
    }
    reporters.end(&database).await;
    drained(&redis).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_away_and_the_database_comes_back_first() {
    both_are_away(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_away_and_redis_comes_back_first() {
    both_are_away(false).await;
}
