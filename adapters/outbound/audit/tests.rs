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
    assert_eq!((verified.records, verified.last), (3606, 3606));
    #[cfg(unix)]
    for file in files {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(file).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn no_more_files_are_kept_than_are_wanted() {
    let (_folder, file) = folder();
    let small = Settings {
        max_bytes: 1,
        kept: 2,
        ..settings(&file)
    };
    for _ in 0..5 {
        write(small.clone(), 1).await;
    }
    assert_eq!(files_of(&file).expect("reads the folder").len(), 3);
    let verified = verified(&file).expect("what is left holds");
    assert_eq!(verified.last, 15);
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

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_said() {
    let (_folder, file) = folder();
    write(settings(&file), 2).await;
    let mut text = fs::read_to_string(&file).expect("reads");
    text.push_str(r#"{"seq":5,"at":"#);
    fs::write(&file, text).expect("writes");
    let torn = verified(&file).expect_err("is torn").to_string();
    assert!(torn.contains(":5: it is torn"), "{torn}");

    write(settings(&file), 1).await;
    assert_eq!(verified(&file).expect("holds").last, 8);
    assert_eq!(actions(&file)[4..6], ["torn", "started"]);
}

#[tokio::test]
async fn nothing_is_written_after_what_is_no_record() {
    let (_folder, file) = folder();
    write(settings(&file), 2).await;
    let mut changed = fs::read_to_string(&file).expect("reads");
    changed = changed.replace("\"action\":\"stopped\"", "\"action\":\"STOPPED\"");
    fs::write(&file, &changed).expect("writes");

    let refused = AuditFile::open(settings(&file), Arc::new(SystemClock));
    assert!(matches!(refused, Err(OpenError::Broken(..))));
    assert_eq!(fs::read_to_string(&file).expect("reads"), changed);
}

#[tokio::test]
async fn what_is_no_audit_is_left_alone() {
    for foreign in [
        "no line break",
        "a line\nand the beginning of one",
        "\0\0\0\0",
    ] {
        let (_folder, file) = folder();
        fs::write(&file, foreign).expect("writes");
        let refused = AuditFile::open(settings(&file), Arc::new(SystemClock));
        assert!(matches!(refused, Err(OpenError::Broken(..))), "{foreign:?}");
        assert_eq!(fs::read_to_string(&file).expect("reads"), foreign);
    }
}

#[tokio::test]
async fn a_file_has_one_writer() {
    let (_folder, file) = folder();
    let first = AuditFile::open(settings(&file), Arc::new(SystemClock)).expect("opens");
    let second = AuditFile::open(settings(&file), Arc::new(SystemClock));
    assert!(matches!(second, Err(OpenError::Taken(_))));

    first.close().await;
    write(settings(&file), 1).await;
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

#[test]
fn what_there_is_no_room_for_is_counted() {
    let queue = Queue::default();
    for number in 0..queue::CAPACITY + 3 {
        queue.put(gave_back(&number.to_string()));
    }
    let taken = queue.take(10, Duration::ZERO);
    assert_eq!(
        (taken.events.len(), taken.dropped, taken.last),
        (10, 3, false)
    );
    assert_eq!(queue.take(10, Duration::ZERO).dropped, 0);
}

#[test]
fn what_waits_is_written_once_there_is_room_and_what_does_not_is_said() {
    let disk = Arc::new(Mutex::new(file::Disk {
        full: true,
        ..file::Disk::default()
    }));
    let queue = Arc::new(Queue::default());
    let target = Target::Disk(disk.clone());
    let clock = Arc::new(SystemClock);
    let writer = Writer::new(queue.clone(), target, file::Start::default(), clock);
    for number in 0..queue::CAPACITY + 5 {
        queue.put(gave_back(&number.to_string()));
    }
    let writing = thread::spawn(move || writer.run());
    disk.lock().expect("is whole").full = false;
    queue.close();
    writing.join().expect("ends");

    let (_folder, file) = folder();
    fs::write(&file, &disk.lock().expect("is whole").text).expect("writes");
    let records = verified(&file).expect("holds").records;
    // The start, the end, and what was dropped have one each.
    assert_eq!(records, queue::CAPACITY as u64 + 3);
    let said = lines(&file)
        .into_iter()
        .find(|line| line.contains("dropped"));
    assert!(said.expect("is said").contains("\"5 events were dropped\""));
}

/// Where nothing can be written, events wait; those beyond are dropped, and that is all.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_stops_nobody() {
    let full = settings(Path::new("/dev/full"));
    let audit = AuditFile::open(full, Arc::new(SystemClock)).expect("opens");
    for number in 0..2 * queue::CAPACITY {
        audit.record(gave_back(&number.to_string()));
    }
    audit.close().await;
}
