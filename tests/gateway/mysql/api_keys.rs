//! Whose keys are: exactly whose, asked for no more than needed, and while nobody can be asked.

use std::time::Duration;

use futures::future::join_all;
use gateway_adapters::outbound::mysql::{ApiKeySettings, ApiKeys, KeyStorage, Link};
use gateway_core::domain::identity::{Credential, Secret};
use gateway_core::ports::{AuthError, Authenticator as _};
use tokio::time::timeout;

use crate::support::servers::{Database, LONG, MariaDb, until};

const SETTINGS: ApiKeySettings = ApiKeySettings {
    storage: KeyStorage::Plain,
    cache: Duration::from_secs(30),
    stale_max: Duration::from_mins(10),
};

/// Answers are asked for anew with each call, as far as a test can tell.
const FORGETFUL: ApiKeySettings = ApiKeySettings {
    cache: Duration::from_millis(1),
    ..SETTINGS
};

/// The SHA-256 of `hunter2`.
const HASH: &str = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";

async fn on_shared(settings: ApiKeySettings) -> (Database, ApiKeys) {
    let database = MariaDb::shared().await.database().await;
    let keys = ApiKeys::new(database.link().await, settings);
    (database, keys)
}

/// Whose `key` is; `-` for nobody's, `?` if it cannot be told.
async fn owner(keys: &ApiKeys, key: &str) -> String {
    match keys.authenticate(&Credential::Key(Secret::new(key))).await {
        Ok(worker) => worker.to_string(),
        Err(AuthError::Rejected) => "-".to_owned(),
        Err(AuthError::Unavailable(_)) => "?".to_owned(),
        Err(error @ AuthError::Exceeded { .. }) => panic!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_the_same_to_the_last_bit_or_nobodys() {
    let (database, keys) = on_shared(SETTINGS).await;
    database.add_worker("w-1", "Key-Ä").await;
    database.add_worker("w-2", "other ").await;

    assert_eq!(owner(&keys, "Key-Ä").await, "w-1");
    assert_eq!(owner(&keys, "other ").await, "w-2");
    let long = "Key-Ä".repeat(1000);
    for alike in [
        "key-ä", "KEY-Ä", "Key-A", "Key-Ä ", " Key-Ä", "other", "other  ", "", " ", "%", &long,
    ] {
        assert_eq!(owner(&keys, alike).await, "-", "{alike:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_either_the_key_or_its_hash() {
    let (database, plain) = on_shared(SETTINGS).await;
    let settings = ApiKeySettings {
        storage: KeyStorage::Sha256,
        ..SETTINGS
    };
    let hashed = ApiKeys::new(database.link().await, settings);
    database.add_worker("w-1", HASH).await;

    assert_eq!(owner(&hashed, "hunter2").await, "w-1");
    assert_eq!(owner(&hashed, HASH).await, "-");
    assert_eq!(owner(&plain, HASH).await, "w-1");
    assert_eq!(owner(&plain, "hunter2").await, "-");

    let upper = "UPDATE workers SET api_key = UPPER(api_key)";
    database.query(upper).await;
    let hashed = ApiKeys::new(database.link().await, settings);
    assert_eq!(owner(&hashed, "hunter2").await, "-");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_was_disabled_is_refused_and_one_who_is_offline_is_not() {
    let (database, keys) = on_shared(FORGETFUL).await;
    database.add_worker("w-1", "k").await;
    for (status, answer) in [
        ("online", "w-1"),
        ("Disabled", "-"),
        ("offline", "w-1"),
        ("blocked", "-"),
        ("maintenance", "w-1"),
        ("banned", "-"),
        ("", "w-1"),
        ("deleted", "-"),
        ("connecting", "w-1"),
        ("inactive", "-"),
    ] {
        let set = format!("UPDATE workers SET status = '{status}'");
        database.query(&set).await;
        until(status, || async {
            (owner(&keys, "k").await == answer).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_name_for_us_or_another_s_key_is_refused() {
    let (database, keys) = on_shared(SETTINGS).await;
    database.add_worker("w 1", "spaced").await;
    database.add_worker("w-2", "shared").await;
    database.add_worker("w-3", "shared").await;

    assert_eq!(owner(&keys, "spaced").await, "-");
    assert_eq!(owner(&keys, "shared").await, "-");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_for_its_time_and_callers_share_a_question() {
    let server = MariaDb::start_with(&["--general-log", "--log-output=TABLE"]).await;
    let database = server.database().await;
    let keys = ApiKeys::new(database.link().await, SETTINGS);
    database.add_worker("w-1", "k").await;

    let answers = join_all((0..200).map(|_| owner(&keys, "k"))).await;
    assert!(answers.iter().all(|answer| answer == "w-1"), "{answers:?}");
    let wrong = join_all((0..200).map(|_| owner(&keys, "wrong"))).await;
    assert!(wrong.iter().all(|answer| answer == "-"), "{wrong:?}");
    let questions = "SELECT COUNT(*) FROM mysql.general_log \
                     WHERE command_type = 'Execute' AND argument LIKE '%FROM workers WHERE api_key%'";
    assert_eq!(server.query(questions).await, [["2"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_keys_drives_nobody_out() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    let keys = ApiKeys::new(database.link().await, SETTINGS);
    for worker in 0..20 {
        let id = format!("w-{worker}");
        database.add_worker(&id, &format!("key of {id}")).await;
        assert_eq!(owner(&keys, &format!("key of {id}")).await, id);
    }
    for batch in 0..100 {
        let wrong = (0..100).map(|n| format!("wrong {batch} {n}"));
        let answers = wrong.map(|key| async { owner(&keys, &{ key }).await });
        let answers = join_all(answers).await;
        assert!(answers.iter().all(|answer| answer == "-"));
    }

    server.kill();
    for worker in 0..20 {
        let id = format!("w-{worker}");
        assert_eq!(owner(&keys, &format!("key of {id}")).await, id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_can_be_asked_old_answers_count_and_nobody_is_rejected() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    let link = database.link().await;
    let keys = ApiKeys::new(link.clone(), FORGETFUL);
    database.add_worker("w-1", "k").await;
    database.add_worker("w-2", "late").await;
    assert_eq!(owner(&keys, "k").await, "w-1");

    server.kill();
    for _ in 0..100 {
        assert_eq!(owner(&keys, "k").await, "w-1");
        assert_eq!(owner(&keys, "late").await, "?");
        assert_eq!(owner(&keys, "wrong").await, "?");
    }
    server.restart().await;
    answers(&link).await;
    assert_eq!(owner(&keys, "late").await, "w-2");
    assert_eq!(owner(&keys, "wrong").await, "-");

    // Silent, not gone.
    server.pause();
    assert_eq!(owner(&keys, "k").await, "w-1");
    assert_eq!(owner(&keys, "other").await, "?");
    server.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_counts_for_so_long_and_no_longer() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    let settings = ApiKeySettings {
        stale_max: Duration::from_secs(1),
        ..FORGETFUL
    };
    let keys = ApiKeys::new(database.link().await, settings);
    database.add_worker("w-1", "k").await;
    assert_eq!(owner(&keys, "k").await, "w-1");

    server.kill();
    until("it is too old", || async {
        let answer = owner(&keys, "k").await;
        assert_ne!(answer, "-");
        (answer == "?").then_some(())
    })
    .await;
}

async fn answers(link: &Link) {
    let mut away = link.away();
    let told = timeout(LONG, away.wait_for(Option::is_none)).await;
    told.expect("in time").expect("is told");
}
