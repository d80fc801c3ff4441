//! The output of runs.

use std::time::Duration;

use gateway_core::domain::log::LogStream;
use gateway_core::ports::Master as _;
use sha2::{Digest as _, Sha256};
use tonic::Code;

use crate::support::{Gateway, proto, run_id};

fn line(run: &str, content: &str, sequence: i64) -> proto::LogEntry {
    proto::LogEntry {
        run_id: run.into(),
        log_type: "stdout".into(),
        content: content.into(),
        timestamp: "2026-03-01T12:00:00.5".into(),
        sequence,
    }
}

fn chunk(
    run: &str,
    offset: i64,
    data: &'static [u8],
    is_final: bool,
) -> proto::SendLogChunkRequest {
    proto::SendLogChunkRequest {
        run_id: run.into(),
        log_type: "stderr".into(),
        data: data.into(),
        offset,
        is_final,
        checksum: String::new(),
        total_size: 0,
    }
}

#[tokio::test]
async fn lines_are_kept_in_order_whichever_way_they_come() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    let batch = vec![
        line("r", "一", 1),
        line("other", "x", 1),
        line("r", "二\t🐜", 2),
    ];
    worker.log(batch).await.expect("is taken");
    let alone = proto::SendLogRequest {
        run_id: "r".into(),
        content: "三".into(),
        ..Default::default()
    };
    worker
        .client()
        .send_log(worker.request(alone))
        .await
        .expect("is taken");

    let page = gateway
        .backend
        .master
        .lines(&run_id("r"), 0, Duration::ZERO)
        .await;
    let lines = page.expect("reads").lines;
    let contents: Vec<_> = lines
        .iter()
        .map(|line| line.line.content.as_str())
        .collect();
    assert_eq!(contents, ["一", "二\t🐜", "三"]);
    assert_eq!(lines[0].line.timestamp, "2026-03-01T12:00:00.5");
    assert_eq!(lines[2].line.stream, LogStream::Stdout);
    let arrival = &lines[2].line.timestamp;
    arrival
        .parse::<gateway_core::domain::time::Timestamp>()
        .expect("is a time");
    gateway.stop().await;
}

#[tokio::test]
async fn a_batch_with_a_bad_line_is_refused_whole() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    let mut bad = line("r", "x", 2);
    bad.log_type = "syslog".into();
    let refused = worker.log(vec![line("r", "x", 1), bad]).await;
    let refused = refused.expect_err("is refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(
        refused.message(),
        "log_type: stdout or stderr (got 6 bytes)"
    );
    let page = gateway
        .backend
        .master
        .lines(&run_id("r"), 0, Duration::ZERO)
        .await;
    assert!(page.expect("reads").lines.is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn a_file_is_put_together_from_its_pieces() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    for (offset, data, is_final, held) in [
        (5, &b"world"[..], true, 0),
        (0, b"hel", false, 3),
        (0, b"hel", false, 3),
        (2, b"llo", false, 10),
    ] {
        let ack = worker.chunk(chunk("r", offset, data, is_final)).await;
        assert_eq!(ack.expect("is taken"), held, "{offset}");
    }
    let file = gateway
        .backend
        .master
        .file(&run_id("r"), LogStream::Stderr)
        .await;
    assert_eq!(file.expect("reads"), Some((b"helloworld".to_vec(), true)));
    gateway.stop().await;
}

#[tokio::test]
async fn a_checksum_is_checked_small_and_large() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    for size in [3, 1 << 20] {
        let data = vec![7; size];
        let mut digest = String::new();
        for byte in Sha256::digest(&data) {
            use std::fmt::Write as _;
            write!(digest, "{byte:02x}").expect("a String takes all");
        }
        let mut good = chunk("r", 0, b"", false);
        good.run_id = format!("r-{size}");
        good.data = data.into();
        good.checksum = digest;
        worker.chunk(good.clone()).await.expect("matches");

        good.checksum.replace_range(..16, "0123456789abcdef");
        let refused = worker.chunk(good).await.expect_err("does not match");
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with("data: "), "{refused:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_piece_that_does_not_fit_is_refused() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    worker
        .chunk(chunk("r", 0, b"all", true))
        .await
        .expect("is taken");

    for (offset, data) in [(3, &b"more"[..]), (-1, b"x"), (i64::MAX, b"x")] {
        let refused = worker.chunk(chunk("r", offset, data, false)).await;
        let refused = refused.expect_err("is refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{offset}");
        assert!(refused.message().starts_with("offset: "), "{refused:?}");
    }
    gateway.stop().await;
}
