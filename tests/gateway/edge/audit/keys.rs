//! What operators do about keys is written down beside the gateway's own audit.

use std::fs;

use crate::support::servers::MariaDb;
use crate::support::{Program, said};

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_key_is_written_down_without_the_key() {
    let database = MariaDb::shared().await.database().await;
    database.add_worker("w-1", "the-masters").await;
    let folder = tempfile::tempdir().expect("makes a folder");
    let file = folder.path().join("audit.jsonl");
    let file = file.to_str().expect("is text");
    let set = [
        ("DATABASE_URL", database.url.as_str()),
        ("RESULT_STORE", "memory"),
        ("AUDIT_FILE", file),
    ];
    let mut printed = Vec::new();
    for line in [
        "keys create w-1",
        "keys rotate w-1",
        "keys list",
        "keys revoke 1",
    ] {
        let words: Vec<_> = line.split_whitespace().collect();
        let (status, out, error) = Program::run(&words, &set).await;
        assert!(status.success(), "{error}");
        printed.push(out);
    }

    let text = fs::read_to_string(format!("{file}.tools")).expect("reads");
    said(&text);
    for subject in ["create key 1", "rotate key 2", "revoke key 1"] {
        assert_eq!(text.matches(subject).count(), 1, "{subject}: {text}");
    }
    for key in &printed[..2] {
        assert!(
            key.starts_with("ak_w-1_") && !text.contains(key.trim()),
            "{text}"
        );
    }
    fs::write(file, "").expect("writes");
    let (status, said, _) = Program::run(&["audit", "verify"], &set).await;
    assert!(status.success() && said.lines().count() == 2, "{said}");
}
