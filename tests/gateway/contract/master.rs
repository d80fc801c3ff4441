//! The contract of `Master`, as far as no other port's covers it: logs, as they are read. The rest is
//! for backends that have the scheduler's book of runs, or its queues.

mod queues;
mod runs;

use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::log::{LogLine, LogStream};
use gateway_core::domain::run::{Report, RunStatus};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{LogPage, Master, ResultStore};
use tokio::time::Instant;

use super::log_sink::Logs;
use super::{LONG, NOW, in_time, run, task, worker};

/// A backend that has the scheduler's side as well.
pub(super) trait Masters: Logs {
    fn master(&self) -> Arc<dyn Master>;

    /// Where workers report, so that the master knows.
    fn results(&self) -> Arc<dyn ResultStore>;
}

contract!(memory, memory_live, redis, cluster => {
    lines_are_numbered_and_read_in_pages,
    lines_that_are_gone_are_counted,
    whoever_follows_hears_of_a_line_the_moment_it_comes,
    whoever_follows_hears_of_the_end,
    a_log_has_not_ended_before_its_last_line_is_read,
    nothing_new_is_an_empty_page_when_the_wait_is_over,
});

fn line(sequence: i64) -> LogLine {
    LogLine {
        run: run("r"),
        stream: LogStream::Stdout,
        content: format!("line {sequence}"),
        timestamp: "2026-11-22T12:00:00Z".into(),
        sequence,
    }
}

async fn enqueue(bench: &impl Masters) {
    let queued = bench.master().enqueue(&worker("w"), task("r")).await;
    queued.expect("queues");
}

async fn append(bench: &impl Masters, sequences: std::ops::Range<i64>) {
    let lines = sequences.map(line).collect();
    bench.sink().append(lines).await.expect("appends");
}

async fn page(bench: &impl Masters, from: u64, wait: Duration) -> LogPage {
    let page = bench.master().lines(&run("r"), from, wait).await;
    page.expect("reads")
}

async fn end(bench: &impl Masters) {
    let now = Timestamp::UNIX_EPOCH;
    let report = Report::new(run("r"), worker("w"), RunStatus::Success, now);
    bench.results().record(&report).await.expect("records");
}

async fn lines_are_numbered_and_read_in_pages(bench: &impl Masters) {
    enqueue(bench).await;
    append(bench, 0..30).await;

    let mut read = Vec::new();
    let mut from = 0;
    while read.len() < 30 {
        let page = page(bench, from, NOW).await;
        assert!(
            !page.lines.is_empty(),
            "{} lines are missing",
            30 - read.len()
        );
        read.extend(page.lines);
        from = page.next;
    }
    for (index, numbered) in (0..).zip(&read) {
        assert_eq!(numbered.index, index);
        assert_eq!(numbered.line.sequence.cast_unsigned(), index);
    }
    assert_eq!(page(bench, 17, NOW).await.lines[0].index, 17);
}

async fn lines_that_are_gone_are_counted(bench: &impl Masters) {
    enqueue(bench).await;
    let sent = i64::try_from(bench.lines_kept() * 4).expect("is no large number");
    append(bench, 0..sent).await;

    let first = page(bench, 0, NOW).await;
    assert!(first.dropped > 0);
    assert_eq!(first.lines[0].index, first.dropped);
    let oldest = i64::try_from(first.dropped).expect("is no large number");
    assert_eq!(first.lines[0].line, line(oldest));
    let later = page(bench, first.dropped, NOW).await;
    assert_eq!(later.dropped, 0);
}

async fn whoever_follows_hears_of_a_line_the_moment_it_comes(bench: &impl Masters) {
    enqueue(bench).await;
    append(bench, 0..2).await;

    let (heard, ()) = tokio::join!(in_time(page(bench, 2, LONG)), append(bench, 2..3));
    assert_eq!((heard.lines[0].index, heard.next), (2, 3));
    assert!(!heard.ended);
}

async fn whoever_follows_hears_of_the_end(bench: &impl Masters) {
    enqueue(bench).await;
    append(bench, 0..2).await;

    let (heard, ()) = tokio::join!(in_time(page(bench, 2, LONG)), end(bench));
    assert_eq!((heard.lines.len(), heard.next), (0, 2));
    assert!(heard.ended);
}

async fn a_log_has_not_ended_before_its_last_line_is_read(bench: &impl Masters) {
    enqueue(bench).await;
    let kept = i64::try_from(bench.lines_kept()).expect("is no large number");
    append(bench, 0..kept).await;
    end(bench).await;

    let (mut from, mut read) = (0, 0);
    loop {
        let page = page(bench, from, NOW).await;
        read += page.lines.len();
        from = page.next;
        if page.ended {
            break;
        }
        assert!(!page.lines.is_empty(), "it never ends");
    }
    assert_eq!(read, bench.lines_kept());
}

async fn nothing_new_is_an_empty_page_when_the_wait_is_over(bench: &impl Masters) {
    enqueue(bench).await;
    append(bench, 0..2).await;

    let wait = Duration::from_millis(50);
    let begun = Instant::now();
    let empty = LogPage {
        next: 2,
        ..LogPage::default()
    };
    assert_eq!(page(bench, 2, wait).await, empty);
    assert!(begun.elapsed() >= wait);
}
