use std::fs;
use std::path::Path;

use gateway_core::domain::audit::Action;
use gateway_core::domain::id::{RunId, WorkerId};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::AuditLog as _;
use serde_json::Value;
use tempfile::TempDir;

use super::super::SystemClock;
use super::*;

mod files;
mod live;
mod trouble;

fn event(action: Action) -> AuditEvent {
    AuditEvent {
        at: Timestamp::UNIX_EPOCH,
        actor: Some(WorkerId::parse("w-1").expect("is an identifier")),
        peer: Some([127, 0, 0, 1].into()),
        request: None,
        action,
    }
}

fn gave_back(receipt: &str) -> AuditEvent {
    let receipt = receipt.to_owned();
    event(Action::GaveBack { receipt })
}

fn settings(file: &Path) -> Settings {
    Settings {
        file: Some(file.to_owned()),
        max_bytes: 1 << 20,
        kept: 3,
        patient: false,
    }
}

/// Writes as many events in one go.
async fn write(settings: Settings, count: usize) {
    let audit = AuditFile::open(settings, Arc::new(SystemClock)).expect("opens");
    for number in 0..count {
        audit.record(gave_back(&number.to_string()));
    }
    audit.close().await;
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("makes a folder");
    let file = folder.path().join("audit.jsonl");
    (folder, file)
}

fn lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("reads");
    text.lines().map(ToOwned::to_owned).collect()
}

fn actions(file: &Path) -> Vec<String> {
    let action = |line: &String| -> String {
        let record: Value = serde_json::from_str(line).expect("is JSON");
        record["action"].as_str().expect("has one").to_owned()
    };
    lines(file).iter().map(action).collect()
}

fn verified(file: &Path) -> Result<Verified, Break> {
    verify(&files_of(file).expect("reads the folder"))
}

#[tokio::test]
async fn the_chain_goes_on_over_restarts_and_rotations() {
    let (_folder, file) = folder();
    let small = Settings {
        max_bytes: 2048,
        kept: 1000,
        ..settings(&file)
    };
    for _ in 0..3 {
        // More than are written at once, so that the size is looked at more than once.
        write(small.clone(), 1200).await;
    }
    let files = files_of(&file).expect("reads the folder");
    assert!(files.len() > 6, "{files:?}");

    let verified = verified(&file).expect("holds");
    // Each start and each end have a record of their own.
    let ends = (verified.first.number, verified.last.number);
    assert_eq!((verified.records, ends), (3606, (1, 3606)));
    #[cfg(unix)]
    for file in files {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(file).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn no_more_files_are_kept_than_are_wanted_and_what_was_removed_is_said() {
    let (_folder, file) = folder();
    let small = Settings {
        max_bytes: 1,
        kept: 2,
        ..settings(&file)
    };
    for _ in 0..5 {
        write(small.clone(), 1).await;
    }
    let files = files_of(&file).expect("reads the folder");
    assert_eq!(files.len(), 3);
    let whole = verified(&file).expect("what is left holds");
    assert!(whole.first.number > 1, "{whole:?}");
    assert_eq!(whole.missing(), None, "{whole:?}");

    // Nobody else can remove the oldest unseen.
    fs::remove_file(&files[0]).expect("is there");
    let robbed = verified(&file).expect("what is left holds");
    let gone = whole.first.number..=robbed.first.number - 1;
    assert_eq!(robbed.missing(), Some(gone));
}

/// What somebody does to the lines of a file.
type Tampering = fn(&mut Vec<String>);

#[tokio::test]
async fn whatever_is_done_to_the_past_is_found_where_it_was_done() {
    let cases: [(Tampering, u64, &str); 6] = [
        (
            |lines| drop(lines.remove(4)),
            5,
            "record 6 follows record 4",
        ),
        (|lines| lines.swap(4, 5), 5, "record 6 follows record 4"),
        (
            |lines| lines[4] = lines[4].replace("receipt 3", "receipt 4"),
            5,
            "record 5 was changed",
        ),
        (|lines| lines[4].truncate(40), 5, "it is no record"),
        (
            |lines| lines.insert(4, "{}".to_owned()),
            5,
            "it is no record",
        ),
        (
            // Whoever reckons its hash anew has to do so with all that come after.
            |lines| {
                let mut chain = record::Chain::default();
                let before: Vec<_> = lines.drain(..4).collect();
                for line in &before {
                    chain.follow(line.as_bytes(), true).expect("is a record");
                }
                let forged = record::Entry::of(&gave_back("forged"));
                lines[0] = chain.link(&forged).trim_end().to_owned();
                lines.splice(..0, before);
            },
            6,
            "record 6 does not go with record 5",
        ),
    ];
    for (tamper, at, what) in cases {
        let (_folder, file) = folder();
        write(settings(&file), 8).await;
        let mut lines = lines(&file);
        tamper(&mut lines);
        fs::write(&file, lines.join("\n") + "\n").expect("writes");

        match verified(&file) {
            Err(Break::Line {
                line, what: said, ..
            }) => {
                assert_eq!(line, at, "{said}");
                assert!(said.starts_with(what), "{said}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_rotated_file_that_is_gone_is_missed() {
    let (_folder, file) = folder();
    let small = Settings {
        max_bytes: 1,
        ..settings(&file)
    };
    for _ in 0..3 {
        write(small.clone(), 1).await;
    }
    let files = files_of(&file).expect("reads the folder");
    fs::remove_file(&files[1]).expect("is there");

    let error = verified(&file).expect_err("is broken").to_string();
    assert!(error.contains(" follows record "), "{error}");
}

/// T29: what steers a terminal, or looks like another record, is text of the one record.
#[tokio::test]
async fn an_event_is_one_record_whatever_it_says() {
    let (_folder, file) = folder();
    let nasty = "\u{1b}[2J\r\n{\"seq\":3}\u{9b}31m\u{2028}\u{202e}\u{7f} \"'\\ üñ";
    let audit = AuditFile::open(settings(&file), Arc::new(SystemClock)).expect("opens");
    audit.record(event(Action::Buried {
        run: RunId::parse("r-1").expect("is an identifier"),
        reason: nasty.to_owned(),
    }));
    audit.record(gave_back(&"x".repeat(100_000)));
    audit.close().await;

    let text = fs::read_to_string(&file).expect("reads");
    let steering = |char: char| char.is_control() && char != '\n' || char == '\u{2028}';
    assert!(
        !text.contains(steering) && !text.contains('\u{202e}'),
        "{text:?}"
    );
    let lines = lines(&file);
    assert_eq!(lines.len(), 4);
    let record: Value = serde_json::from_str(&lines[1]).expect("is JSON");
    assert_eq!(record["why"], nasty);
    assert!(lines[2].len() < 1000, "{}", lines[2].len());
    assert_eq!(verified(&file).expect("holds").records, 4);
}
