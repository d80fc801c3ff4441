use std::time::Duration;

use bytes::Bytes;
use gateway_core::domain::log::{LogChunk, LogLine, LogStream};
use gateway_core::ports::{LogError, LogSink as _};

use super::super::Settings;
use super::{backend, run};

fn line(of: &str, content: &str) -> LogLine {
    LogLine {
        run: run(of),
        stream: LogStream::Stdout,
        content: content.to_owned(),
        timestamp: String::new(),
        sequence: 0,
    }
}

#[tokio::test]
async fn lines_of_the_quietest_run_make_room_and_numbers_go_on() {
    let backend = backend(&Settings {
        log_bytes: 10_000,
        ..Settings::default()
    });
    let content = "x".repeat(1000);
    for of in [
        "quiet", "loud", "loud", "loud", "loud", "loud", "loud", "loud",
    ] {
        backend
            .log_sink
            .append(vec![line(of, &content)])
            .await
            .expect("appends");
    }
    let page = |of| backend.log_sink.page(&run(of), 0);
    assert_eq!(
        (page("quiet").lines.len(), page("loud").lines.len()),
        (1, 7)
    );

    for _ in 0..5 {
        backend
            .log_sink
            .append(vec![line("loud", &content)])
            .await
            .expect("appends");
    }
    let quiet = page("quiet");
    assert_eq!((quiet.lines.len(), quiet.dropped, quiet.next), (0, 1, 1));
    let loud = page("loud");
    assert_eq!((loud.dropped, loud.next), (3, 12));
    backend
        .log_sink
        .append(vec![line("quiet", "again")])
        .await
        .expect("appends");
    assert_eq!(page("quiet").lines[0].index, 1);
}

#[tokio::test]
async fn a_page_holds_what_a_message_may() {
    let backend = backend(&Settings::default());
    let large = "x".repeat(3 << 20);
    let lines = vec![line("r", &large), line("r", &large), line("r", "")];
    backend.log_sink.append(lines).await.expect("appends");

    let page = backend.log_sink.page(&run("r"), 0);
    assert_eq!((page.lines.len(), page.last), (1, false));
    let page = backend.log_sink.page(&run("r"), page.next);
    assert_eq!((page.lines.len(), page.last), (2, true));
}

fn chunk(of: &str, offset: u64, len: usize, is_final: bool) -> LogChunk {
    LogChunk {
        run: run(of),
        stream: LogStream::Stdout,
        data: Bytes::from(vec![b'x'; len]),
        offset,
        is_final,
        total_size: None,
    }
}

#[tokio::test(start_paused = true)]
async fn complete_files_make_room_and_others_do_not() {
    let backend = backend(&Settings {
        chunk_bytes: 10_000,
        ..Settings::default()
    });
    let store = |chunk| backend.log_sink.store(chunk);
    store(chunk("whole", 0, 4000, true)).await.expect("stores");
    store(chunk("part", 0, 4000, false)).await.expect("stores");
    store(chunk("next", 0, 4000, false)).await.expect("stores");
    let file = |of| backend.log_sink.file(&run(of), LogStream::Stdout);
    assert_eq!(file("whole"), None);

    let full = store(chunk("more", 0, 4000, false)).await;
    assert!(matches!(full, Err(LogError::Full)), "{full:?}");
    assert_eq!(file("more"), None);
    let full = store(chunk("part", 4000, 4000, false)).await;
    assert!(matches!(full, Err(LogError::Full)), "{full:?}");
    assert_eq!(file("part").map(|(bytes, _)| bytes.len()), Some(4000));
    // What is held is held, and costs nothing again.
    let receipt = store(chunk("part", 0, 4000, false)).await.expect("stores");
    assert_eq!(receipt.contiguous, 4000);

    tokio::time::advance(Duration::from_hours(1)).await;
    store(chunk("more", 0, 4000, false))
        .await
        .expect("has room");
    assert_eq!(file("next"), None);
}

#[tokio::test]
async fn the_first_to_send_a_byte_is_believed() {
    let backend = backend(&Settings::default());
    let other = LogChunk {
        data: Bytes::from_static(b"yyyyy"),
        ..chunk("r", 0, 5, true)
    };
    for piece in [chunk("r", 1, 3, false), other] {
        backend.log_sink.store(piece).await.expect("stores");
    }

    let file = backend.log_sink.file(&run("r"), LogStream::Stdout);
    assert_eq!(file, Some((b"yxxxy".to_vec(), true)));
}
