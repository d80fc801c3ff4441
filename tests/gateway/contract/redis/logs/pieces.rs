//! Log files in pieces, as archivers and other gateways see them.

use std::collections::BTreeMap;

use gateway_core::domain::log::{LogChunk, LogStream};
use gateway_core::ports::{ChunkReceipt, LogError, LogSink as _};

use super::super::super::log_sink::Logs as _;
use super::super::super::run;
use super::super::on_one;
use super::{piece, pieces, read};

fn kept(offset: &str, data: &str, is_final: &str) -> BTreeMap<String, String> {
    let fields = [
        ("log_type", "stdout"),
        ("data", data),
        ("offset", offset),
        ("is_final", is_final),
    ];
    fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[tokio::test]
async fn archivers_read_every_byte_once() {
    let redis = on_one().await;
    let all = LogChunk {
        is_final: true,
        ..piece(0, b"hello world")
    };
    for chunk in [piece(3, b"lo w"), piece(3, b"lo w"), all.clone(), all] {
        redis.sink().store(chunk).await.expect("stores");
    }

    let expected = [
        kept("3", "bG8gdw==", "false"),
        kept("0", "aGVs", "false"),
        kept("7", "b3JsZA==", "true"),
    ];
    assert_eq!(pieces(&redis).await, expected);
}

#[tokio::test]
async fn archivers_hear_of_the_end_though_no_byte_comes_with_it() {
    let redis = on_one().await;
    let end = LogChunk {
        is_final: true,
        ..piece(2, b"")
    };
    let sized = LogChunk {
        total_size: Some(2),
        ..piece(0, b"ok")
    };
    for chunk in [sized, end.clone(), end] {
        redis.sink().store(chunk).await.expect("stores");
    }

    let expected = [kept("0", "b2s=", "false"), kept("2", "", "true")];
    assert_eq!(pieces(&redis).await, expected);
}

#[tokio::test]
async fn another_gateway_knows_how_far_a_file_is() {
    let redis = on_one().await;
    redis
        .sink()
        .store(piece(0, b"0123456789"))
        .await
        .expect("stores");

    let there = redis.another().await.log_sink;
    let receipt = there.store(piece(5, b"56789abcde")).await;
    let held = |contiguous| ChunkReceipt {
        contiguous,
        complete: false,
    };
    assert_eq!(receipt.expect("stores"), held(15));
    let again = redis.sink().store(piece(0, b"0123456789")).await;
    assert_eq!(again.expect("stores"), held(15));
}

#[tokio::test]
async fn pieces_that_come_to_two_gateways_at_once_are_all_stored() {
    let redis = on_one().await;
    let sinks = [
        redis.backend.log_sink.clone(),
        redis.another().await.log_sink,
    ];
    let calls = (0..60_u64).flat_map(|place| sinks.each_ref().map(|sink| (place, sink.clone())));
    let running: Vec<_> = calls
        .map(|(place, sink)| {
            tokio::spawn(async move { sink.store(piece(place * 4, b"abcd")).await })
        })
        .collect();
    for call in running {
        let came = call.await.expect("does not panic");
        came.expect("stores");
    }

    assert_eq!(read(&redis, "log:chunk:r").await.len(), 60);
    let file = redis.file(&run("r"), LogStream::Stdout).await;
    assert_eq!(file, Some((b"abcd".repeat(60), false)));
}

#[tokio::test]
async fn a_state_that_nobody_can_read_is_an_outage_and_no_success() {
    let redis = on_one().await;
    let extents = redis.key(&format!("gateway:extents:{{{}}}", redis.key("log:chunk:r")));
    redis
        .command(&["HSET", &extents, "stdout", "nonsense"])
        .await;

    let refused = redis.sink().store(piece(0, b"x")).await;
    assert!(
        matches!(refused, Err(LogError::Unavailable(_))),
        "{refused:?}"
    );
}
