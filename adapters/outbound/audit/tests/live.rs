//! What is found where somebody writes meanwhile.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[tokio::test]
async fn what_is_written_and_rotated_meanwhile_is_no_break() {
    let (_folder, file) = folder();
    let small = Settings {
        max_bytes: 2000,
        kept: 3,
        ..settings(&file)
    };
    let audit = AuditFile::open(small, Arc::new(SystemClock)).expect("opens");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                audit.record(gave_back("one of many"));
            }
        });
        let mut last = 0;
        let mut looks = 0;
        let looked = loop {
            match verify_all_of(&file) {
                Ok(verified) if verified.missing().is_none() => {
                    last = last.max(verified.last.number);
                }
                other => break Err(format!("{other:?}")),
            }
            looks += 1;
            // It was rotated again and again.
            if looks >= 200 && last > 5000 {
                break Ok(());
            }
        };
        done.store(true, Ordering::Relaxed);
        looked.expect("holds");
    });
    audit.close().await;
}

#[tokio::test]
async fn a_line_without_an_end_is_torn_unless_somebody_writes_it() {
    let (_folder, file) = folder();
    write(settings(&file), 2).await;
    let mut writing = OpenOptions::new().append(true).open(&file).expect("opens");
    writing.lock().expect("locks");
    writing.write_all(br#"{"seq":5,"at":"#).expect("writes");

    let verified = verify_all_of(&file).expect("is being written");
    assert!(verified.unfinished);
    assert_eq!(verified.last.number, 4);

    drop(writing);
    let torn = verify_all_of(&file).expect_err("is torn").to_string();
    assert!(torn.contains(":5: it is torn"), "{torn}");
}
