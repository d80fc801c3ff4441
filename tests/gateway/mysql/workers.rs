//! Which workers there are, and what they sign with.

use std::time::Duration;

use gateway_adapters::outbound::mysql::Workers;
use gateway_core::ports::{AuthError, SigningKeys, WorkerDirectory};

use crate::support::servers::{Database, MariaDb, until};
use crate::support::worker_id;

const CACHE: Duration = Duration::from_secs(30);
const STALE: Duration = Duration::from_mins(10);

async fn add(database: &Database, worker: &str, secret: &str) {
    database
        .add_worker(worker, &format!("key of {worker}"))
        .await;
    let set = format!("UPDATE workers SET secret_key = '{secret}' WHERE public_id = '{worker}'");
    database.query(&set).await;
}

/// What `worker` signs with; `-` for nothing, `?` if it cannot be told.
async fn secret(workers: &Workers, worker: &str) -> String {
    match workers.secret(&worker_id(worker)).await {
        Ok(Some(secret)) => secret.expose().to_owned(),
        Ok(None) => "-".to_owned(),
        Err(AuthError::Unavailable(_)) => "?".to_owned(),
        Err(AuthError::Rejected | AuthError::Exceeded { .. }) => {
            panic!("an answer that it does not give")
        }
    }
}

/// Whether there is `worker`; `?` if it cannot be told.
async fn known(workers: &Workers, worker: &str) -> &'static str {
    match workers.knows(&worker_id(worker)).await {
        Ok(true) => "yes",
        Ok(false) => "no",
        Err(_) => "?",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_known_by_its_very_name_and_signs_with_its_own_secret() {
    let database = MariaDb::shared().await.database().await;
    let workers = Workers::new(database.link().await, CACHE, STALE);
    add(&database, "w-1", "the secret of w-1").await;
    add(&database, "w-2", "").await;
    database.add_worker("w-3", "a key").await;
    add(&database, "w-4", "the secret of w-4").await;
    database
        .query("UPDATE workers SET status = 'Blocked' WHERE public_id = 'w-4'")
        .await;

    for (worker, signs_with, is_known) in [
        ("w-1", "the secret of w-1", "yes"),
        ("w-2", "-", "yes"),
        ("w-3", "-", "yes"),
        ("w-4", "-", "no"),
        ("W-1", "-", "no"),
        ("w-9", "-", "no"),
    ] {
        assert_eq!(secret(&workers, worker).await, signs_with, "{worker}");
        assert_eq!(known(&workers, worker).await, is_known, "{worker}");
        let recalled = workers.recalls(&worker_id(worker));
        assert_eq!(recalled, is_known == "yes", "{worker}");
        let recalled = workers.recall(&worker_id(worker));
        assert_eq!(recalled.is_some(), signs_with != "-", "{worker}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_is_seen_when_the_answer_is_old() {
    let database = MariaDb::shared().await.database().await;
    let workers = Workers::new(database.link().await, Duration::from_millis(1), STALE);
    add(&database, "w-1", "the old secret").await;
    assert_eq!(secret(&workers, "w-1").await, "the old secret");

    database
        .query("UPDATE workers SET secret_key = 'the new secret'")
        .await;
    until("the new secret counts", || async {
        (secret(&workers, "w-1").await == "the new secret").then_some(())
    })
    .await;
    database
        .query("UPDATE workers SET status = 'disabled'")
        .await;
    until("it is disabled", || async {
        (known(&workers, "w-1").await == "no").then_some(())
    })
    .await;
    assert!(workers.recall(&worker_id("w-1")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_can_be_asked_nobody_is_unknown() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    let workers = Workers::new(database.link().await, Duration::from_millis(1), STALE);
    add(&database, "w-1", "the secret of w-1").await;
    assert_eq!(secret(&workers, "w-1").await, "the secret of w-1");

    server.kill();
    for _ in 0..100 {
        assert_eq!(secret(&workers, "w-1").await, "the secret of w-1");
        assert_eq!(known(&workers, "w-1").await, "yes");
        assert_eq!(secret(&workers, "w-2").await, "?");
        assert_eq!(known(&workers, "w-2").await, "?");
    }
}
