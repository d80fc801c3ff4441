//! The tools that speak to the database.

use crate::support::Program;
use crate::support::servers::{Database, MariaDb};

async fn run(database: &Database, line: &str) -> (Option<i32>, String, String) {
    let settings = [
        ("DATABASE_URL", database.url.as_str()),
        ("RESULT_STORE", "memory"),
    ];
    let words: Vec<_> = line.split_whitespace().collect();
    let (status, out, err) = Program::run(&words, &settings).await;
    assert!(
        !out.contains("p%40ss") && !err.contains("p%40ss"),
        "{out}{err}"
    );
    (status.code(), out, err)
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_made_and_what_they_lack_is_told() {
    let database = MariaDb::shared().await.empty_database().await;

    let (code, out, err) = run(&database, "migrate").await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("made: task_executions\n"), "{out}");
    let (code, out, _) = run(&database, "migrate").await;
    assert_eq!((code, out.as_str()), (Some(0), "every table was there\n"));

    let drop = "ALTER TABLE task_executions DROP COLUMN exit_code, DROP COLUMN status";
    database.query(drop).await;
    let (code, _, err) = run(&database, "migrate").await;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("lacks: task_executions.status, task_executions.exit_code"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_printed_once_and_never_again() {
    let database = MariaDb::shared().await.database().await;
    database.add_worker("w-1", "the-masters").await;

    let (code, key, err) = run(&database, "keys create w-1 --label lab").await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(key.trim_end().lines().count(), 1, "{key}");
    assert!(key.starts_with("ak_w-1_") && !err.contains("ak_"), "{err}");
    let (_, second, err) = run(&database, "keys rotate w-1 --keep 3600").await;
    assert!(second.starts_with("ak_w-1_") && second != key, "{err}");
    let (code, _, err) = run(&database, "keys create w-1").await;
    assert_eq!(code, Some(1));
    assert!(err.contains("two live keys"), "{err}");

    let (_, list, _) = run(&database, "keys list").await;
    assert!(list.contains("lab") && !list.contains("ak_"), "{list}");
    assert_eq!(list.matches("live").count(), 2, "{list}");
    let (code, out, err) = run(&database, "keys revoke 1").await;
    assert_eq!((code, out.as_str()), (Some(0), "revoked: key 1\n"), "{err}");
    let (_, json, _) = run(&database, "keys list --json").await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("is JSON");
    assert_eq!(json[0]["state"], "revoked");
    assert_eq!(json[1]["state"], "live");
    assert!(json[0]["expires_at"].is_string(), "{json}");

    for (line, told) in [
        ("keys create w-9", "no worker w-9"),
        ("keys create w/9", "worker_id"),
        ("keys revoke 9", "no key 9"),
    ] {
        let (code, out, err) = run(&database, line).await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{line}");
        assert!(err.contains(told), "{line}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_they_say_so() {
    for line in [&["migrate"][..], &["keys", "list"]] {
        let (status, _, err) = Program::run(line, &[]).await;
        assert_eq!(status.code(), Some(1));
        assert!(err.contains("DATABASE_URL is not set"), "{err}");
    }
    let server = MariaDb::start().await;
    let database = server.empty_database().await;
    server.kill();
    let (code, _, err) = run(&database, "keys list").await;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("DATABASE_URL=mysql://gateway:***@127.0.0.1"),
        "{err}"
    );
    assert!(err.contains("refused"), "{err}");
}
