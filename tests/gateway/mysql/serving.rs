//! The built program on a database: what it does at the start, and where results go.

use tokio::time::timeout;

use crate::support::servers::{LONG, MariaDb, RedisServer, until};
use crate::support::{Program, Worker};

const QUIET: (&str, &str) = ("LOG_LEVEL", "WARN,antcode_gateway=info");

#[tokio::test]
async fn a_database_that_lacks_something_stops_the_start() {
    let database = MariaDb::shared().await.empty_database().await;
    let set = [("DATABASE_URL", database.url.as_str()), QUIET];
    let ended = timeout(LONG, Program::run(&[], &set)).await;

    let (status, _, said) = ended.expect("ends");
    assert_eq!(status.code(), Some(1), "{said}");
    for part in ["task_executions", "gateway_outbox", "--migrate"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("p@ss"), "{said}");
}

#[tokio::test]
async fn it_makes_what_is_absent_if_it_is_to() {
    let database = MariaDb::shared().await.empty_database().await;
    let set = [("DATABASE_URL", database.url.as_str()), QUIET];
    let migrate = [set[0], set[1], ("DATABASE_MIGRATE", "true")];
    for set in [&migrate[..], &set] {
        let program = Program::start(set).await;
        program.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_published_once_it_is_written() {
    let redis = RedisServer::start().await;
    let database = MariaDb::shared().await.database().await;
    database.add_worker("w", "key").await;
    let task = "INSERT INTO scheduled_tasks (id, public_id, name, project_id, task_type, \
                schedule_type, status, is_active, created_at, updated_at, user_id) \
                VALUES (1, 't', 't', 1, 'code', 'once', 'pending', 1, NOW(6), NOW(6), 1)";
    database.query(task).await;
    let run = "INSERT INTO task_executions (public_id, task_id, run_id, status, created_at) \
               VALUES ('p', 1, 'r', 'pending', NOW(6))";
    database.query(run).await;
    let program = Program::start(&[
        ("DATABASE_URL", &database.url),
        ("REDIS_URL", &redis.url()),
        ("REDIS_NAMESPACE", "n"),
        ("RESULT_PUBLISH", "true"),
        QUIET,
    ])
    .await;

    let worker = Worker::new(program.grpc, "w", Some("key"));
    worker.report("r", "success").await.expect("is taken");
    let status = database.query("SELECT status FROM task_executions").await;
    assert_eq!(status, [["success"]]);
    until("it is published, and out of the box", || async {
        let published = redis.command(&["XLEN", "n:task:result"]).await.int();
        let left = database.query("SELECT COUNT(*) FROM gateway_outbox").await;
        (published == 1 && left == [["0"]]).then_some(())
    })
    .await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_owns_the_database_is_handed_the_results() {
    let redis = RedisServer::start().await;
    let program = Program::start(&[
        ("REDIS_URL", &redis.url()),
        ("REDIS_NAMESPACE", "n"),
        ("RESULT_STORE", "stream"),
        ("AUTH_ENABLED", "false"),
        QUIET,
    ])
    .await;

    let worker = Worker::new(program.grpc, "w", None);
    for status in ["running", "failed"] {
        worker.report("r", status).await.expect("is taken");
    }
    let entries = redis.command(&["XRANGE", "n:task:result", "-", "+"]).await;
    assert_eq!(entries.array().len(), 2);
    program.stop().await;
}
