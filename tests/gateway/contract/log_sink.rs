//! The contract of `LogSink`.

mod chunks;

use std::sync::Arc;

use gateway_core::domain::id::RunId;
use gateway_core::domain::log::{LogLine, LogStream};
use gateway_core::ports::LogSink;

use super::run;

/// A backend that takes logs.
pub(super) trait Logs {
    fn sink(&self) -> Arc<dyn LogSink>;

    /// The lines of `run` that are kept, the oldest first.
    async fn lines(&self, run: &RunId) -> Vec<LogLine>;

    /// What is held of a log file from its beginning on, and whether that is all; none if nothing
    /// came.
    async fn file(&self, run: &RunId, stream: LogStream) -> Option<(Vec<u8>, bool)>;

    /// How many lines of a run are kept at the least. It may be some more.
    fn lines_kept(&self) -> usize;
}

contract!(memory, memory_live, redis, guarded, cluster => {
    a_line_arrives_whole,
    lines_keep_their_order,
    lines_of_several_runs_go_to_each,
    lines_of_concurrent_calls_are_all_kept,
    the_oldest_lines_make_room,
});

fn line(of: &str, sequence: usize) -> LogLine {
    LogLine {
        run: run(of),
        stream: LogStream::Stdout,
        content: format!("line {sequence}"),
        timestamp: "2026-11-22T20:00:00.123456+08:00".into(),
        sequence: i64::try_from(sequence).expect("is no large number"),
    }
}

async fn append(bench: &impl Logs, lines: Vec<LogLine>) {
    bench.sink().append(lines).await.expect("appends");
}

async fn sequences(bench: &impl Logs, of: &str) -> Vec<usize> {
    let lines = bench.lines(&run(of)).await;
    let sequences = lines.iter().map(|line| usize::try_from(line.sequence));
    sequences.map(|one| one.expect("is not negative")).collect()
}

async fn a_line_arrives_whole(bench: &impl Logs) {
    let sent = LogLine {
        stream: LogStream::Stderr,
        content: "Ошибка: 失败 \u{1f41c}\t\"{}\"".into(),
        sequence: -1,
        ..line("r", 0)
    };
    let empty = LogLine {
        content: String::new(),
        timestamp: "2026-11-22T12:00:00Z".into(),
        ..line("r", 1)
    };
    append(bench, vec![sent.clone(), empty.clone()]).await;

    assert_eq!(bench.lines(&run("r")).await, vec![sent, empty]);
}

async fn lines_keep_their_order(bench: &impl Logs) {
    let kept = bench.lines_kept();
    for batch in (0..kept).collect::<Vec<_>>().chunks(7) {
        let lines = batch.iter().map(|sequence| line("r", *sequence));
        append(bench, lines.collect()).await;
    }

    assert_eq!(sequences(bench, "r").await, (0..kept).collect::<Vec<_>>());
}

async fn lines_of_several_runs_go_to_each(bench: &impl Logs) {
    let mixed = vec![line("a", 0), line("b", 0), line("a", 1), line("b", 1)];
    append(bench, mixed).await;
    append(bench, vec![line("b", 2)]).await;

    assert_eq!(sequences(bench, "a").await, [0, 1]);
    assert_eq!(sequences(bench, "b").await, [0, 1, 2]);
    assert_eq!(bench.lines(&run("c")).await, vec![]);
}

async fn lines_of_concurrent_calls_are_all_kept(bench: &impl Logs) {
    let writers = 5;
    let each = bench.lines_kept() / writers;
    let calls: Vec<_> = (0..writers)
        .map(|writer| {
            let sink = bench.sink();
            tokio::spawn(async move {
                for place in 0..each {
                    let lines = vec![line("r", writer * each + place)];
                    sink.append(lines).await.expect("appends");
                }
            })
        })
        .collect();
    for call in calls {
        call.await.expect("does not panic");
    }

    let all = sequences(bench, "r").await;
    assert_eq!(all.len(), writers * each);
    for writer in 0..writers {
        let own = all.iter().filter(|sequence| *sequence / each == writer);
        assert!(own.is_sorted(), "{all:?}");
    }
}

async fn the_oldest_lines_make_room(bench: &impl Logs) {
    let (kept, sent) = (bench.lines_kept(), bench.lines_kept() * 4);
    for batch in (0..sent).collect::<Vec<_>>().chunks(33) {
        let lines = batch.iter().map(|sequence| line("r", *sequence));
        append(bench, lines.collect()).await;
    }

    let left = sequences(bench, "r").await;
    assert!((kept..sent).contains(&left.len()), "{}", left.len());
    let newest: Vec<_> = (sent - left.len()..sent).collect();
    assert_eq!(left, newest);
}
