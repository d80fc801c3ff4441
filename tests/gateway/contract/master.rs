//! The contract of `Master`, as far as no other port's covers it.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::log::{LogLine, LogStream};
use gateway_core::domain::run::{Report, RunStatus};
use gateway_core::domain::task::{Sign, Task, Verdict};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{LogPage, Master, MasterError, QueueView};
use tokio::time::Instant;

use super::log_sink::Logs;
use super::result_store::Results;
use super::task_queue::Queues;
use super::{LONG, NOW, in_time, run, task, worker};

/// A backend that has the scheduler's side as well.
pub(super) trait Masters: Queues + Results + Logs {
    fn master(&self) -> Arc<dyn Master>;
}

contract!(memory, memory_live => {
    a_queued_task_has_a_run_that_is_pending,
    a_run_is_queued_once,
    runs_are_listed_the_newest_first,
    lines_are_numbered_and_read_in_pages,
    lines_that_are_gone_are_counted,
    whoever_follows_hears_of_a_line_the_moment_it_comes,
    whoever_follows_hears_of_the_end,
    a_log_has_not_ended_before_its_last_line_is_read,
    nothing_new_is_an_empty_page_when_the_wait_is_over,
    queues_tell_what_waits_and_what_is_held,
    a_queue_is_as_old_as_what_came_to_it_first,
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
    bench.store().record(&report).await.expect("records");
}

async fn a_queued_task_has_a_run_that_is_pending(bench: &impl Masters) {
    let one_run = Task {
        run: run("r"),
        ..task("t")
    };
    bench.enqueue(&worker("w"), one_run).await;

    let view = bench.master().run(&run("r")).await.expect("reads");
    let view = view.expect("is known");
    assert_eq!((view.id, view.worker), (run("r"), worker("w")));
    assert_eq!((view.task.as_str(), view.run.status), ("t", None));
    let unknown = bench.master().run(&run("t")).await.expect("reads");
    assert_eq!(unknown, None);
}

async fn a_run_is_queued_once(bench: &impl Masters) {
    bench.enqueue(&worker("a"), task("t")).await;

    let refused = bench.master().enqueue(&worker("b"), task("t")).await;
    assert!(matches!(refused, Err(MasterError::RunExists(id)) if id == run("t")));
    let taken = bench.queue().take(&worker("b"), NOW).await;
    assert_eq!(taken.expect("looks"), None);
}

async fn runs_are_listed_the_newest_first(bench: &impl Masters) {
    for id in ["b", "a", "c"] {
        bench.enqueue(&worker("w"), task(id)).await;
    }

    let runs = bench.master().runs().await.expect("lists");
    let names: Vec<_> = runs.iter().map(|view| view.id.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
}

async fn lines_are_numbered_and_read_in_pages(bench: &impl Masters) {
    bench.enqueue(&worker("w"), task("r")).await;
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
    bench.enqueue(&worker("w"), task("r")).await;
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
    bench.enqueue(&worker("w"), task("r")).await;
    append(bench, 0..2).await;

    let (heard, ()) = tokio::join!(in_time(page(bench, 2, LONG)), append(bench, 2..3));
    assert_eq!((heard.lines[0].index, heard.next), (2, 3));
    assert!(!heard.ended);
}

async fn whoever_follows_hears_of_the_end(bench: &impl Masters) {
    bench.enqueue(&worker("w"), task("r")).await;
    append(bench, 0..2).await;

    let (heard, ()) = tokio::join!(in_time(page(bench, 2, LONG)), end(bench));
    assert_eq!((heard.lines.len(), heard.next), (0, 2));
    assert!(heard.ended);
}

async fn a_log_has_not_ended_before_its_last_line_is_read(bench: &impl Masters) {
    bench.enqueue(&worker("w"), task("r")).await;
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
    bench.enqueue(&worker("w"), task("r")).await;
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

async fn queues_tell_what_waits_and_what_is_held(bench: &impl Masters) {
    let (w, queue) = (worker("w"), bench.queue());
    for id in ["t-1", "t-2", "t-3"] {
        bench.enqueue(&w, task(id)).await;
    }
    queue.take(&w, NOW).await.expect("takes");
    let beat = Sign::Running(0);
    queue.note(&worker("idle"), &beat).await.expect("notes");

    let mut queues = bench.master().queues().await.expect("lists");
    for queue in &mut queues {
        assert!(queue.oldest.take().is_some(), "{queue:?}");
    }
    let expected = QueueView {
        worker: w,
        waiting: 2,
        held: 1,
        oldest: None,
    };
    assert_eq!(queues, vec![expected]);
}

async fn a_queue_is_as_old_as_what_came_to_it_first(bench: &impl Masters) {
    let (w, queue) = (worker("w"), bench.queue());
    let oldest = async || {
        let queues = bench.master().queues().await.expect("lists");
        queues.first().and_then(|queue| queue.oldest)
    };
    bench.enqueue(&w, task("t-1")).await;
    let first = oldest().await.expect("something waits");
    bench.enqueue(&w, task("t-2")).await;
    assert_eq!(oldest().await, Some(first));

    let taken = queue.take(&w, NOW).await.expect("takes");
    assert_eq!(oldest().await, Some(first), "what is held counts, too");

    let receipt = taken.expect("is there").receipt;
    let back = Verdict::GivenBack("busy".into());
    queue.settle(&w, &receipt, back).await.expect("settles");
    let second = oldest().await.expect("t-2 waits");
    assert!(second >= first);
    let taken = queue.take(&w, NOW).await.expect("takes");
    let receipt = taken.expect("is there").receipt;
    queue
        .settle(&w, &receipt, Verdict::Done)
        .await
        .expect("settles");
    let third = oldest().await.expect("t-1 rests");
    assert!(third >= second);
}
