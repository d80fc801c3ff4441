//! Gateways are killed while they write.

use super::reporters::{Reporters, prepare};
use super::{RESULTS, drained, gateway};
use crate::support::servers::{MariaDb, RedisServer};

#[tokio::test(flavor = "multi_thread")]
async fn gateways_are_killed_while_they_write() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let mut gateways = Vec::new();
    for _ in 0..4 {
        gateways.push(gateway(&redis, &database).await);
    }
    let addresses: Vec<_> = gateways.iter().map(|gateway| gateway.grpc).collect();
    let reporters = Reporters::start(&addresses, RESULTS);

    // Before a COMMIT or after it, before the answer or after it: with so many under way, all of it.
    let survivor = gateways.pop().expect("is the last of four");
    for (part, doomed) in gateways.into_iter().enumerate() {
        reporters.taken(RESULTS / 5 * (part + 1)).await;
        doomed.signal("KILL");
    }
    reporters.end(&database).await;
    drained(&redis).await;
    survivor.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_gateway_spooled_another_writes() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let doomed = gateway(&redis, &database).await;
    let other = gateway(&redis, &database).await;
    let reporters = Reporters::start(&[doomed.grpc], RESULTS);

    reporters.taken(RESULTS / 4).await;
    server.stop();
    reporters.taken(RESULTS).await;
    assert_eq!(reporters.failures(), 0);
    doomed.signal("KILL");
    server.restart().await;
    reporters.end(&database).await;
    drained(&redis).await;
    other.stop().await;
}
