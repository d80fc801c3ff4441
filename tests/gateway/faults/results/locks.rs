//! Others hold the rows that are to be written.

use mysql_async::prelude::Queryable as _;
use tokio_util::sync::CancellationToken;

use super::reporters::{Reporters, prepare};
use super::{RESULTS, drained, gateway};
use crate::support::servers::{Database, MariaDb, RedisServer};

#[tokio::test(flavor = "multi_thread")]
async fn a_row_is_locked_for_longer_than_anybody_waits() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway(&redis, &database).await;
    let mut other = database.connect().await;
    other.query_drop("BEGIN").await.expect("begins");
    let lock = "SELECT id FROM task_executions WHERE run_id IN ('r-7', 'r-1234') FOR UPDATE";
    other.query_drop(lock).await.expect("locks");

    let reporters = Reporters::start(&[gateway.grpc], RESULTS);
    // The rows stay locked until all is taken: those two wait in the spool.
    reporters.taken(RESULTS).await;
    assert_eq!(reporters.failures(), 0);
    other.query_drop("ROLLBACK").await.expect("ends");
    reporters.end(&database).await;
    drained(&redis).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_lock_the_rows_in_another_order() {
    let (redis, server) = (RedisServer::start().await, MariaDb::start().await);
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway(&redis, &database).await;
    let stop = CancellationToken::new();
    let trouble = tokio::spawn(cross(database.clone(), stop.clone()));

    let reporters = Reporters::start(&[gateway.grpc], RESULTS);
    reporters.taken(RESULTS).await;
    stop.cancel();
    let deadlocks = trouble.await.expect("does not panic");
    println!("{deadlocks} deadlocks that hit the other side");
    assert_eq!(reporters.failures(), 0);
    reporters.end(&database).await;
    drained(&redis).await;
    gateway.stop().await;
}

/// Locks all tasks backwards and then a run, where we lock runs and then tasks, again and again.
/// How often that was the one that a deadlock hit.
async fn cross(database: Database, stop: CancellationToken) -> usize {
    let mut connection = database.connect().await;
    let mut deadlocks = 0;
    let mut run = 0;
    while !stop.is_cancelled() {
        run = (run + 37) % RESULTS;
        let touch = [
            "BEGIN".to_owned(),
            "UPDATE scheduled_tasks SET updated_at = NOW(6) ORDER BY id DESC".to_owned(),
            format!("UPDATE task_executions SET retry_count = 1 WHERE run_id = 'r-{run}'"),
            "COMMIT".to_owned(),
        ];
        for statement in touch {
            if let Err(error) = connection.query_drop(statement).await {
                if error.to_string().contains("Deadlock") {
                    deadlocks += 1;
                } else {
                    // A server that is gone would not let us in again.
                    println!("{error}");
                    connection = database.connect().await;
                }
                break;
            }
        }
    }
    deadlocks
}
