//! What is found where the audit is opened.

use super::*;

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
    assert_eq!(verified(&file).expect("holds").last.number, 8);
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

/// A disk that is full in the middle of a batch leaves a piece of it, which must not be rotated
/// away with what is whole.
#[tokio::test]
async fn what_is_rotated_away_is_whole() {
    let (_folder, file) = folder();
    write(settings(&file), 2).await;
    let small = Settings {
        max_bytes: 1,
        ..settings(&file)
    };
    let (mut target, start) = Target::open(small).expect("opens");
    let mut chain = start.chain;
    let first = chain.last + 1;
    let line = chain.link(&record::Entry::of(&gave_back("next")));
    let torn = fs::OpenOptions::new().append(true).open(&file);
    torn.and_then(|mut file| std::io::Write::write_all(&mut file, &line.as_bytes()[..40]))
        .expect("writes");

    target.append(&line, first).expect("writes");
    assert_eq!(files_of(&file).expect("reads the folder").len(), 2);
    assert_eq!(verified(&file).expect("holds").last.number, first);
}
