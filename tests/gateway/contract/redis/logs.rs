mod pieces;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gateway_core::domain::id::RunId;
use gateway_core::domain::log::{LogChunk, LogLine, LogStream};
use gateway_core::ports::{self, LogError, LogSink as _, Master as _};

use super::super::log_sink::Logs;
use super::super::{NOW, run};
use super::{Redis, Server, on_one, start};
use crate::support::servers::{RedisServer, Reply};

impl Logs for Redis {
    fn sink(&self) -> Arc<dyn ports::LogSink> {
        if self.guarded {
            return self.guard(&self.backend.log_sink);
        }
        self.backend.log_sink.clone()
    }

    async fn lines(&self, run: &RunId) -> Vec<LogLine> {
        let page = self.backend.master.lines(run, 0, NOW).await.expect("reads");
        page.lines.into_iter().map(|line| line.line).collect()
    }

    async fn file(&self, run: &RunId, stream: LogStream) -> Option<(Vec<u8>, bool)> {
        self.backend.master.file(run, stream).await.expect("reads")
    }

    fn lines_kept(&self) -> usize {
        usize::try_from(self.settings.log_lines.max).expect("are few")
    }
}

/// What the web API reads of a stream: the fields of each entry.
async fn read(redis: &Redis, name: &str) -> Vec<Vec<String>> {
    let key = redis.key(name);
    let streams = redis.command(&["XREAD", "STREAMS", &key, "0"]).await;
    let Some(stream) = streams.array().first() else {
        return Vec::new();
    };
    let entries = stream.array()[1].array().iter();
    entries.map(|entry| entry.array()[1].texts()).collect()
}

fn line(sequence: i64) -> LogLine {
    LogLine {
        run: run("r"),
        stream: LogStream::Stderr,
        content: format!("line {sequence}: 失败"),
        timestamp: "2026-11-22T20:00:00+08:00".into(),
        sequence,
    }
}

fn entry(sequence: i64) -> Vec<String> {
    let content = format!("line {sequence}: 失败");
    let sequence = sequence.to_string();
    let fields = [
        ["log_type", "stderr"],
        ["content", &content],
        ["timestamp", "2026-11-22T20:00:00+08:00"],
        ["sequence", &sequence],
    ];
    fields.concat().into_iter().map(str::to_owned).collect()
}

async fn append(redis: &Redis, lines: impl IntoIterator<Item = LogLine>) {
    let appended = redis.sink().append(lines.into_iter().collect()).await;
    appended.expect("appends");
}

#[tokio::test]
async fn the_web_api_reads_every_line_once_and_in_order() {
    let mut redis = on_one().await;
    redis.settings.log_lines.max = 10_000;
    redis.backend = redis.another().await;
    append(&redis, (0..7).map(line)).await;
    // More than go to Redis at once.
    append(&redis, (7..1307).map(line)).await;

    let expected: Vec<_> = (0..1307).map(entry).collect();
    assert_eq!(read(&redis, "log:stream:r").await, expected);
}

#[tokio::test]
async fn a_batch_that_is_sent_again_is_kept_once() {
    let redis = on_one().await;
    for _ in 0..3 {
        append(&redis, (0..10).map(line)).await;
    }
    append(&redis, (10..20).map(line)).await;
    redis
        .another()
        .await
        .log_sink
        .append((0..10).map(line).collect())
        .await
        .expect("appends");

    let expected: Vec<_> = (0..20).map(entry).collect();
    assert_eq!(read(&redis, "log:stream:r").await, expected);
}

#[tokio::test]
async fn equal_lines_that_nobody_counts_are_all_kept() {
    let redis = on_one().await;
    for _ in 0..3 {
        append(&redis, [line(0), line(0)]).await;
    }

    assert_eq!(read(&redis, "log:stream:r").await, vec![entry(0); 6]);
}

#[tokio::test]
async fn each_line_and_each_piece_renews_the_expiry() {
    let redis = on_one().await;
    let keys = [
        redis.key("log:stream:r"),
        redis.key("log:chunk:r"),
        redis.key(&format!("gateway:extents:{{{}}}", redis.key("log:chunk:r"))),
    ];
    for round in 0..2 {
        append(&redis, [line(round)]).await;
        let stored = redis
            .sink()
            .store(piece(round.cast_unsigned() * 5, b"12345"))
            .await;
        stored.expect("stores");
        for key in &keys {
            let ttl = redis.command(&["PTTL", key]).await.int();
            assert!((1..=60_000).contains(&ttl), "{key}: {ttl}");
            redis.command(&["PERSIST", key]).await;
        }
    }
    let batches = redis.key(&format!("gateway:batches:{{{}}}", keys[0]));
    let ttl = redis.command(&["PTTL", &batches]).await.int();
    assert!((1..=600_000).contains(&ttl), "{ttl}");
    assert_eq!(redis.command(&["ZCARD", &batches]).await, Reply::Int(2));
}

#[tokio::test]
async fn a_redis_without_memory_is_full_and_takes_no_part_of_a_batch() {
    let server: &'static RedisServer = Box::leak(Box::new(RedisServer::start().await));
    let redis = start(Server::One(server), &server.url()).await;
    append(&redis, [line(1)]).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let refused = redis.sink().append((2..300).map(line).collect()).await;
    assert!(matches!(refused, Err(LogError::Full)), "{refused:?}");
    let refused = redis.sink().store(piece(0, b"x")).await;
    assert!(matches!(refused, Err(LogError::Full)), "{refused:?}");
    assert_eq!(read(&redis, "log:stream:r").await, [entry(1)]);
    assert_eq!(pieces(&redis).await, []);
    server.stop();
}

#[tokio::test]
async fn a_key_of_another_kind_is_an_outage_and_no_success() {
    let redis = on_one().await;
    redis
        .command(&["SET", &redis.key("log:stream:r"), "x"])
        .await;

    let refused = redis.sink().append(vec![line(1)]).await;
    assert!(
        matches!(refused, Err(LogError::Unavailable(_))),
        "{refused:?}"
    );
}

fn piece(offset: u64, data: &'static [u8]) -> LogChunk {
    LogChunk {
        run: run("r"),
        stream: LogStream::Stdout,
        data: Bytes::from_static(data),
        offset,
        is_final: false,
        total_size: None,
    }
}

/// What archivers read: the fields of each piece but its time, which is one.
async fn pieces(redis: &Redis) -> Vec<BTreeMap<String, String>> {
    let entries = read(redis, "log:chunk:r").await.into_iter();
    let entries = entries.map(|entry| {
        let pairs = entry.chunks(2);
        let mut fields: BTreeMap<_, _> = pairs
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect();
        let time = fields.remove("timestamp").expect("is there");
        assert!(time.ends_with("+00:00"), "{time}");
        fields
    });
    entries.collect()
}
