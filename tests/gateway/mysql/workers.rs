//! Which workers there are, and what they sign with.

use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::mysql::Workers;
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::app::Signatures;
use gateway_core::domain::identity::{Credential, Secret, Signature};
use gateway_core::ports::{
    AuthError, Authenticator as _, Clock as _, SigningKeys, WorkerDirectory,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

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
        Ok(key) => key
            .secret
            .map_or("-".to_owned(), |secret| secret.expose().to_owned()),
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

/// Their secrets are changed while the old ones are remembered: they are let in, and nobody is
/// turned away for what was so before.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_changed_counts_at_once() {
    let database = MariaDb::shared().await.database().await;
    let workers = Arc::new(Workers::new(database.link().await, CACHE, STALE));
    add(&database, "w-1", "the old secret").await;
    database.add_worker("w-2", "a key").await;
    for worker in ["w-1", "w-2", "w-3"] {
        let known = secret(&workers, worker).await;
        assert_eq!(known == "the old secret", worker == "w-1", "{known}");
    }
    add(&database, "w-3", "").await;
    database
        .query("UPDATE workers SET secret_key = 'the new secret'")
        .await;

    let clock = Arc::new(SystemClock);
    let signatures = Signatures::new(workers, Arc::new(memory::Nonces::default()), clock.clone());
    for worker in ["w-1", "w-2", "w-3"] {
        let signed = signed(worker, clock.now().as_second(), "the new secret");
        let told = signatures.authenticate(&signed).await;
        assert_eq!(told.expect("is let in"), worker_id(worker));
        let old = self::signed(worker, clock.now().as_second(), "the old secret");
        let told = signatures.authenticate(&old).await;
        assert!(matches!(told, Err(AuthError::Rejected)), "{told:?}");
    }
}

/// What is remembered may be wrong, and there is nobody to ask.
#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_can_be_asked_no_signature_is_wrong() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    let workers = Arc::new(Workers::new(database.link().await, CACHE, STALE));
    add(&database, "w-1", "the old secret").await;
    assert_eq!(secret(&workers, "w-1").await, "the old secret");

    server.kill();
    let clock = Arc::new(SystemClock);
    let signatures = Signatures::new(workers, Arc::new(memory::Nonces::default()), clock.clone());
    let new = signed("w-1", clock.now().as_second(), "the new secret");
    let told = signatures.authenticate(&new).await;
    assert!(matches!(told, Err(AuthError::Unavailable(_))), "{told:?}");
    let old = signed("w-1", clock.now().as_second(), "the old secret");
    let told = signatures.authenticate(&old).await;
    assert_eq!(told.expect("is let in"), worker_id("w-1"));
}

fn signed(worker: &str, at: i64, secret: &str) -> Credential {
    const NONCE: &str = "a-nonce";
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("takes any key");
    hmac.update(format!("{worker}\n{at}\n{NONCE}").as_bytes());
    let mac = hmac.finalize().into_bytes();
    let mac: String = mac
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    Credential::Signature(Signature {
        worker: worker_id(worker),
        timestamp: at.to_string(),
        nonce: NONCE.to_owned(),
        mac: Secret::new(mac),
    })
}
