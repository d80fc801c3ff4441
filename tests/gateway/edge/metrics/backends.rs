//! What is told of the backends.

use crate::support::servers::{MariaDb, RedisServer, until};
use crate::support::{Program, Scrape, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn backends_pools_and_the_spool_are_told_as_they_are() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    let program = Program::start(&[
        ("REDIS_URL", &redis.url()),
        ("REDIS_POOL_SIZE", "3"),
        ("DATABASE_URL", &database.url),
        ("AUTH_ENABLED", "false"),
    ])
    .await;
    let up = [
        (r#"backend_up{backend="redis"}"#, 1.0),
        (r#"backend_up{backend="mysql"}"#, 1.0),
        (r#"pool_connections{backend="redis",state="open"}"#, 3.0),
        (r#"pool_connections{backend="mysql",state="busy"}"#, 0.0),
        ("spool_reports", 0.0),
    ];
    Scrape::until(program.admin, &up).await;

    server.stop();
    let away = (r#"backend_up{backend="mysql"}"#, 0.0);
    Scrape::until(program.admin, &[away]).await;
    let worker = Worker::new(program.grpc, "w-1", None);
    worker.report("r-1", "success").await.expect("is kept");
    let waits = [
        (r#"results_total{outcome="spooled"}"#, 1.0),
        ("spool_reports", 1.0),
    ];
    Scrape::until(program.admin, &waits).await;
    until("it grows older", || async {
        let told = Scrape::of(program.admin).await;
        told.value("spool_age_seconds").filter(|age| *age > 0.0)
    })
    .await;
    program.stop().await;
}
