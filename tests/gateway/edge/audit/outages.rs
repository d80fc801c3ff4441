//! What failed is told, and nothing of what lies beneath.

use tonic::{Code, Status};

#[cfg(feature = "mysql")]
use crate::support::servers::MariaDb;
use crate::support::servers::{RedisServer, until};
use crate::support::{Program, Worker};

/// What no client may learn.
fn assert_tells_nothing(status: &Status, secrets: &[&str]) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let told = format!("{} {:?}", status.message(), status.metadata()).to_lowercase();
    let words = [
        "redis",
        "mysql",
        "select",
        "insert",
        "xadd",
        "evalsha",
        "connection",
        "127.0.0.1",
        "n:",
    ];
    for word in words.iter().chain(secrets) {
        assert!(!told.contains(&word.to_lowercase()), "{word}: {told}");
    }
    assert!(status.metadata().contains_key("x-request-id"), "{status:?}");
}

/// T30, of the database.
#[cfg(feature = "mysql")]
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_out_is_not_named() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    database.add_worker("w-1", "a-key").await;
    let program = Program::start(&[("DATABASE_URL", &database.url)]).await;
    let known = Worker::new(program.grpc, "w-1", Some("a-key"));
    let unknown = Worker::new(program.grpc, "w-1", Some("another-key"));
    known.poll(1).await.expect("is known");
    server.kill();

    let port = server.port().to_string();
    let beneath = [port.as_str(), "gateway_api_keys", "task_executions", "p@ss"];
    until("the key cannot be looked up", || async {
        let failed = unknown.poll(1).await.err()?;
        (failed.code() == Code::Unavailable).then(|| assert_tells_nothing(&failed, &beneath))
    })
    .await;
    let failed = known.report("r", "success").await.expect_err("is not kept");
    assert_tells_nothing(&failed, &beneath);
    program.stop().await;
}

/// T30: whoever is told of an outage learns neither hosts nor keys nor statements.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_does_not_show_what_is_out() {
    let redis = RedisServer::start().await;
    let program = Program::start(&[
        ("REDIS_URL", &redis.url()),
        ("REDIS_NAMESPACE", "n"),
        ("AUTH_ENABLED", "false"),
    ])
    .await;
    let worker = Worker::new(program.grpc, "w-1", None);
    worker.register().await.expect("registers");
    let port = redis.port().to_string();
    redis.kill();

    until("all fail", || async {
        let failed = worker.poll(1).await.err()?;
        assert_tells_nothing(&failed, &[&port]);
        Some(())
    })
    .await;
    let failures = [
        worker.register().await.map(drop),
        worker.beat(1).await,
        worker.poll_control(1).await.map(drop),
    ];
    for (place, failed) in failures.into_iter().enumerate() {
        let Err(failed) = failed else {
            panic!("{place} succeeds")
        };
        assert_tells_nothing(&failed, &[&port]);
    }
    program.stop().await;
}
