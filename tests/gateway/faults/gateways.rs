//! Gateways come and go.

use super::fleet::{Fleet, assert_empty, enqueue};
use super::{TASKS, WORKERS};
use crate::support::servers::RedisServer;
use crate::support::{OnRedis, Program};

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_share_the_work() {
    let server = RedisServer::start().await;
    let one = OnRedis::start(&server.url(), "n").await;
    let other = OnRedis::start(&server.url(), "n").await;
    let mut redis = server.connect().await;
    enqueue(&mut redis, "n", WORKERS, TASKS).await;

    // Each worker begins at one of them; whom it acknowledges to is a matter of trouble.
    let fleet = Fleet::start(WORKERS, &[one.address, other.address]);
    fleet.settled(TASKS).await;

    assert_eq!(fleet.failures(), 0);
    assert_eq!(fleet.end(TASKS).await, 0);
    assert_empty(&mut redis, "n", WORKERS).await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_killed_and_another_takes_over() {
    let server = RedisServer::start().await;
    let url = server.url();
    let settings = [
        ("REDIS_URL", url.as_str()),
        ("REDIS_NAMESPACE", "n"),
        ("AUTH_ENABLED", "false"),
        ("RATE_LIMIT_ENABLED", "false"),
        ("GRPC_HEARTBEAT_INTERVAL", "1"),
        ("GRPC_HEARTBEAT_TIMEOUT", "3"),
        ("LOG_LEVEL", "WARN,antcode_gateway=info"),
    ];
    let doomed = Program::start(&settings).await;
    let other = Program::start(&settings).await;
    let mut redis = server.connect().await;
    enqueue(&mut redis, "n", WORKERS, TASKS).await;

    let fleet = Fleet::start(WORKERS, &[doomed.grpc, other.grpc]);
    fleet.settled(TASKS / 3).await;
    doomed.signal("KILL");
    fleet.settled(TASKS).await;

    fleet.end(TASKS).await;
    assert_empty(&mut redis, "n", WORKERS).await;
    other.stop().await;
}
