//! What an operator does about keys.

use std::time::Duration;

use gateway_adapters::outbound::mysql::{
    ApiKeySettings, ApiKeys, KeyBook, KeyError, KeyState, KeyStorage, NewKey,
};
use gateway_core::domain::identity::{Credential, Secret};
use gateway_core::ports::{AuthError, Authenticator as _};

use crate::support::servers::{Database, MariaDb, until};
use crate::support::worker_id;

async fn start() -> (Database, KeyBook, ApiKeys) {
    let database = MariaDb::shared().await.database().await;
    database.add_worker("w-1", "the master's").await;
    database.add_worker("w-2", "another").await;
    let link = database.link().await;
    let settings = ApiKeySettings {
        storage: KeyStorage::Plain,
        cache: Duration::from_millis(1),
        stale_max: Duration::ZERO,
    };
    let keys = ApiKeys::new(link.clone(), settings);
    (database, KeyBook::new(link), keys)
}

async fn opens(keys: &ApiKeys, key: &Secret) -> bool {
    match keys.authenticate(&Credential::Key(key.clone())).await {
        Ok(worker) => {
            assert_eq!(worker, worker_id("w-1"));
            true
        }
        Err(AuthError::Rejected) => false,
        Err(error @ (AuthError::Unavailable(_) | AuthError::Exceeded { .. })) => {
            panic!("{error:?}")
        }
    }
}

async fn state(book: &KeyBook, id: i64) -> KeyState {
    let all = book.list().await.expect("lists");
    let key = all.iter().find(|key| key.id == id);
    key.expect("is listed").state
}

async fn shut(keys: &ApiKeys, key: &Secret) {
    until("it is shut", || async {
        (!opens(keys, key).await).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_made_opens_beside_the_masters_and_is_nowhere_to_be_read() {
    let (database, book, keys) = start().await;
    let made = book.create(&worker_id("w-1"), Some("lab")).await;
    let NewKey { id, key } = made.expect("makes");

    let random = key.expose().strip_prefix("ak_w-1_").expect("says whose");
    assert_eq!(random.len(), 43, "256 bits");
    assert!(opens(&keys, &key).await);
    assert!(opens(&keys, &Secret::new("the master's")).await);
    let stored = database.query("SELECT * FROM gateway_api_keys").await;
    let stored = stored.concat().join(" ");
    assert!(
        !stored.contains(random) && stored.contains("lab"),
        "{stored}"
    );
    // Its hash, which somebody may have read, is no key.
    let hash = database.query("SELECT digest FROM gateway_api_keys").await;
    assert!(!opens(&keys, &Secret::new(hash[0][0].clone())).await);

    let list = book.list().await.expect("lists");
    assert_eq!(
        (list.len(), list[0].id, list[0].state),
        (1, id, KeyState::Live)
    );
    assert_eq!(list[0].worker, "w-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_while_both_are_good() {
    let (_, book, keys) = start().await;
    let worker = worker_id("w-1");
    let none = book.rotate(&worker, None, None).await;
    assert!(matches!(none, Err(KeyError::NoneLive(_))), "{none:?}");

    let old = book.create(&worker, None).await.expect("makes");
    let new = book.rotate(&worker, None, None).await.expect("makes");
    assert!(opens(&keys, &old.key).await && opens(&keys, &new.key).await);
    for third in [
        book.create(&worker, None).await,
        book.rotate(&worker, None, None).await,
    ] {
        assert!(matches!(third, Err(KeyError::Enough(_))), "{third:?}");
    }
    let others = book.create(&worker_id("w-2"), None).await;
    assert!(others.is_ok(), "another's keys do not count");

    book.revoke(old.id).await.expect("revokes");
    shut(&keys, &old.key).await;
    assert!(opens(&keys, &new.key).await);
    book.revoke(old.id).await.expect("is as it was");

    let second = Duration::from_secs(1);
    let newest = book.rotate(&worker, None, Some(second)).await;
    let newest = newest.expect("makes");
    shut(&keys, &new.key).await;
    assert!(opens(&keys, &newest.key).await);
    // A gateway may be a moment ahead of the database.
    until("the list says so", || async {
        let states = [&old, &new, &newest].map(|key| state(&book, key.id));
        let states = futures::future::join_all(states).await;
        let told = [KeyState::Revoked, KeyState::Expired, KeyState::Live];
        (states == told).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_there_gets_no_key() {
    let (_, book, _) = start().await;
    for stranger in ["nobody", "W-1"] {
        let refused = book.create(&worker_id(stranger), None).await;
        assert!(
            matches!(refused, Err(KeyError::UnknownWorker(_))),
            "{refused:?}"
        );
    }
    let refused = book.revoke(4711).await;
    assert!(
        matches!(refused, Err(KeyError::UnknownKey(4711))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_at_once_make_no_third_key() {
    let (_, book, _) = start().await;
    let worker = worker_id("w-1");
    let made = futures::future::join_all((0..6).map(|_| book.create(&worker, None))).await;

    let made = made.iter().filter(|made| made.is_ok()).count();
    assert!((1..=2).contains(&made), "{made}");
    let list = book.list().await.expect("lists");
    assert_eq!(list.len(), made);
}
