//! What becomes of results when the database, Redis or the gateway fail: none is lost, none is
//! written twice, and no worker is ever told that its key is wrong.

mod database_away;
mod gateways;
mod locks;
mod no_spool;
mod reporters;

use crate::support::Program;
use crate::support::servers::{Database, RedisServer};

/// Results of a test that needs many.
const RESULTS: usize = 10_000;

/// A gateway on Redis and a database, which asks the database whose keys are.
async fn gateway(redis: &RedisServer, database: &Database) -> Program {
    start(
        &[("REDIS_URL", &redis.url()), ("REDIS_NAMESPACE", "n")],
        database,
    )
    .await
}

/// A gateway on a database alone.
async fn gateway_alone(database: &Database) -> Program {
    start(&[("GATEWAY_BACKEND", "memory")], database).await
}

async fn start(backend: &[(&str, &str)], database: &Database) -> Program {
    let mut settings = vec![
        ("DATABASE_URL", database.url.as_str()),
        ("RATE_LIMIT_ENABLED", "false"),
        ("LOG_LEVEL", "WARN,antcode_gateway=info"),
    ];
    settings.extend_from_slice(backend);
    Program::start(&settings).await
}

/// Waits until the spool is empty.
async fn drained(redis: &RedisServer) {
    crate::support::servers::until("the spool is drained", || async {
        (spooled(redis).await == 0).then_some(())
    })
    .await;
}

/// How many results wait in the spool.
async fn spooled(redis: &RedisServer) -> i64 {
    redis.command(&["XLEN", "n:gateway:spool"]).await.int()
}
