//! The database is away, or refuses; what workers report waits in Redis.

use super::reporters::{Reporters, prepare};
use super::{RESULTS, drained, gateway, spooled};
use crate::support::Program;
use crate::support::servers::{Database, MariaDb, RedisOptions, RedisServer, until};

/// Workers that report to a gateway, and what is behind it.
struct Trial {
    redis: RedisServer,
    server: MariaDb,
    database: Database,
    gateway: Program,
    reporters: Reporters,
}

impl Trial {
    async fn start() -> Self {
        Self::on(RedisServer::start().await, MariaDb::start().await).await
    }

    async fn on(redis: RedisServer, server: MariaDb) -> Self {
        let database = server.database().await;
        prepare(&database, RESULTS).await;
        let gateway = gateway(&redis, &database).await;
        let reporters = Reporters::start(&[gateway.grpc], RESULTS);
        Self {
            redis,
            server,
            database,
            gateway,
            reporters,
        }
    }

    /// Waits until results wait in Redis.
    async fn until_some_wait(&self) {
        until("results wait", || async {
            (spooled(&self.redis).await > 0).then_some(())
        })
        .await;
    }

    /// Waits until all is reported, without a failure, and written.
    async fn end_without_failure(self) {
        self.reporters.taken(RESULTS).await;
        assert_eq!(self.reporters.failures(), 0);
        self.end().await;
    }

    /// Waits until all is reported and written.
    async fn end(self) {
        self.reporters.end(&self.database).await;
        drained(&self.redis).await;
        self.gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_killed_and_restarted_under_load() {
    let trial = Trial::start().await;
    for part in [RESULTS / 4, RESULTS / 2] {
        trial.reporters.taken(part).await;
        trial.server.kill();
        trial.server.restart().await;
    }
    trial.end_without_failure().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_succeeds_while_the_database_is_away() {
    let trial = Trial::start().await;
    trial.reporters.taken(RESULTS / 4).await;
    trial.server.stop();
    trial.reporters.taken(RESULTS * 3 / 4).await;
    assert!(spooled(&trial.redis).await > 0);
    trial.server.restart().await;
    trial.end_without_failure().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_is_killed_again_and_again() {
    let trial = Trial::start().await;
    for part in 1..=8 {
        trial.reporters.taken(RESULTS / 10 * part).await;
        trial.server.kill_connections().await;
    }
    trial.end_without_failure().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_takes_no_writes_for_a_while() {
    let trial = Trial::start().await;
    trial.reporters.taken(RESULTS / 4).await;
    trial.server.query("SET GLOBAL read_only = 1").await;
    trial.until_some_wait().await;
    trial.reporters.taken(RESULTS / 2).await;
    trial.server.query("SET GLOBAL read_only = 0").await;
    trial.end_without_failure().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_the_database_is_full_for_a_while() {
    let server = MariaDb::start_on_small_disk(150).await;
    let trial = Trial::on(RedisServer::start().await, server).await;
    trial.reporters.taken(RESULTS / 10).await;
    trial.server.fill_disk();
    trial.until_some_wait().await;
    trial.server.free_disk();
    trial.end_without_failure().await;
}

/// What comes back first has nothing to do with what is lost: nothing.
async fn both_are_away(database_first: bool) {
    let kept = RedisOptions {
        append_only: true,
        ..Default::default()
    };
    let redis = RedisServer::start_with(kept).await;
    let trial = Trial::on(redis, MariaDb::start().await).await;
    trial.reporters.taken(RESULTS / 4).await;
    trial.server.kill();
    trial.until_some_wait().await;
    trial.redis.kill();
    let failures = trial.reporters.failures();
    until("reports are refused", || async {
        (trial.reporters.failures() > failures).then_some(())
    })
    .await;
    if database_first {
        trial.server.restart().await;
        trial.redis.restart().await;
    } else {
        trial.redis.restart().await;
        trial.server.restart().await;
    }
    trial.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_away_and_the_database_comes_back_first() {
    both_are_away(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_away_and_redis_comes_back_first() {
    both_are_away(false).await;
}
