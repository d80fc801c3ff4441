use std::sync::Arc;

use gateway_core::domain::log::{LogLine, LogStream};
use gateway_core::domain::task::Task;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{self, QueueView};

use super::super::log_sink::Logs as _;
use super::super::master::Masters;
use super::super::{NOW, run, task, worker};
use super::{Redis, on_one};

impl Masters for Redis {
    fn master(&self) -> Arc<dyn ports::Master> {
        self.backend.master.clone()
    }

    fn results(&self) -> Arc<dyn ports::ResultStore> {
        self.results.clone()
    }
}

#[tokio::test]
async fn a_task_is_queued_field_for_field() {
    let redis = on_one().await;
    let queued = Task {
        run: run("r"),
        params: [("depth".to_owned(), "3".to_owned())].into(),
        priority: 5,
        ..task("t")
    };
    redis
        .master()
        .enqueue(&worker("w"), queued)
        .await
        .expect("queues");

    let ready = redis.key("task:ready:w");
    let entries = redis.command(&["XRANGE", &ready, "-", "+"]).await;
    let fields = entries.array()[0].array()[1].texts();
    let expected = [
        ["task_id", "t"],
        ["run_id", "r"],
        ["project_id", ""],
        ["project_type", "code"],
        ["priority", "5"],
        ["params", r#"{"depth":"3"}"#],
        ["environment", "{}"],
        ["timeout", "3600"],
        ["download_url", ""],
        ["file_hash", ""],
        ["entry_point", ""],
        ["is_compressed", "false"],
    ];
    assert_eq!(fields, expected.concat());
}

#[tokio::test]
async fn what_is_pending_but_was_never_handed_out_waits() {
    let redis = on_one().await;
    let (ready, group) = (
        redis.key("task:ready:w"),
        format!("{}-workers", redis.settings.namespace),
    );
    for id in ["1800000000123-0", "1800000000124-0", "1800000000125-0"] {
        redis.command(&["XADD", &ready, id, "task_id", "t"]).await;
    }
    redis
        .command(&["XGROUP", "CREATE", &ready, &group, "0"])
        .await;
    let take = [
        "XREADGROUP",
        "GROUP",
        &group,
        "w",
        "COUNT",
        "2",
        "STREAMS",
        &ready,
        ">",
    ];
    redis.command(&take).await;
    let released = "1800000000124-0";
    let release = [
        "XCLAIM",
        &ready,
        &group,
        "w",
        "0",
        released,
        "RETRYCOUNT",
        "0",
        "JUSTID",
    ];
    redis.command(&release).await;

    let expected = QueueView {
        worker: worker("w"),
        waiting: 2,
        held: 1,
        oldest: Timestamp::from_millisecond(1_800_000_000_123).ok(),
    };
    assert_eq!(redis.master().queues().await.expect("lists"), [expected]);
}

#[tokio::test]
async fn a_queue_without_a_group_waits_as_a_whole() {
    let redis = on_one().await;
    for id in ["t-1", "t-2"] {
        redis
            .master()
            .enqueue(&worker("w"), task(id))
            .await
            .expect("queues");
    }

    let queues = redis.master().queues().await.expect("lists");
    assert_eq!((queues[0].waiting, queues[0].held), (2, 0));
}

fn line(sequence: i64) -> LogLine {
    LogLine {
        run: run("r"),
        stream: LogStream::Stdout,
        content: "x".into(),
        timestamp: "2026-11-22T12:00:00Z".into(),
        sequence,
    }
}

#[tokio::test]
async fn a_page_is_found_from_either_end() {
    let mut redis = on_one().await;
    redis.settings.log_lines.max = 10_000;
    redis.backend = redis.another().await;
    let appended = redis.sink().append((0..2000).map(line).collect()).await;
    appended.expect("appends");

    for from in [0, 1, 499, 700, 750, 1000, 1250, 1499, 1500, 1600, 1999] {
        let page = redis
            .master()
            .lines(&run("r"), from, NOW)
            .await
            .expect("reads");
        let numbers: Vec<_> = page.lines.iter().map(|line| line.index).collect();
        let expected: Vec<_> = (from..2000.min(from + 500)).collect();
        assert_eq!(numbers, expected, "{from}");
        for numbered in &page.lines {
            assert_eq!(numbered.line.sequence.cast_unsigned(), numbered.index);
        }
        assert_eq!((page.dropped, page.next), (0, from + numbers.len() as u64));
    }
}

#[tokio::test]
async fn a_page_is_bounded_by_its_bytes_but_never_empty() {
    let redis = on_one().await;
    let large = |sequence| LogLine {
        content: "x".repeat(3 << 20),
        ..line(sequence)
    };
    let appended = redis.sink().append((0..3).map(large).collect()).await;
    appended.expect("appends");

    for from in 0..3 {
        let page = redis
            .master()
            .lines(&run("r"), from, NOW)
            .await
            .expect("reads");
        assert_eq!((page.lines.len(), page.next), (1, from + 1));
    }
}

#[tokio::test]
async fn a_run_that_nobody_knows_has_not_ended() {
    let redis = on_one().await;

    let page = redis
        .master()
        .lines(&run("r"), 0, NOW)
        .await
        .expect("reads");
    assert_eq!(page, ports::LogPage::default());
    let file = redis.master().file(&run("r"), LogStream::Stdout).await;
    assert_eq!(file.expect("reads"), None);
}
