//! Where replies go.

use gateway_core::domain::control::{Recipient, Reply as Answer};
use gateway_core::ports::ControlError;

use super::super::super::control_channel::Controls as _;
use super::super::super::{request, worker};
use super::super::on_one;
use super::{runtime, take_and_settle};
use crate::support::servers::Reply;

fn answer(to: &str, reply_stream: Option<String>) -> Answer {
    Answer {
        request: request(to),
        success: true,
        data: "{}".into(),
        error: String::new(),
        reply_stream,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_is_one_entry_where_the_request_said_and_goes_by_itself() {
    let (bench, w) = (on_one().await, worker("w"));
    let stream = bench.key("control:reply:q-of-master");
    let to = Recipient::Worker(w.clone());
    bench.send(&to, runtime("q", &stream)).await;
    take_and_settle(&*bench.channel(), &w).await.expect("comes");

    for _ in 0..3 {
        let replied = bench.channel().reply(&w, answer("q", None)).await;
        replied.expect("replies");
    }
    let entries = bench.command(&["XRANGE", &stream, "-", "+"]).await;
    let [entry] = entries.array() else {
        panic!("one entry: {entries:?}");
    };
    let expected = [
        "request_id",
        "q",
        "success",
        "true",
        "data",
        "{}",
        "error",
        "",
    ];
    assert_eq!(entry.array()[1].texts(), expected);
    let left = bench.command(&["TTL", &stream]).await.int();
    assert!((1..=120).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_worker_or_a_stranger_says_becomes_a_key() {
    let (bench, w) = (on_one().await, worker("w"));
    let to = Recipient::Worker(w.clone());
    let elsewhere = bench.key("task:result");
    bench.send(&to, runtime("q-1", "")).await;
    bench.send(&to, runtime("q-2", &elsewhere)).await;
    for _ in 0..2 {
        take_and_settle(&*bench.channel(), &w).await.expect("comes");
    }

    let named = answer("q-1", Some(elsewhere.clone()));
    let refused = bench.channel().reply(&w, named).await;
    assert!(matches!(refused, Err(ControlError::RequestNotTheirs(_))));
    // It was told so, and may say so; the reply goes where replies go.
    let told = answer("q-2", Some(elsewhere.clone()));
    bench.channel().reply(&w, told).await.expect("replies");
    assert_eq!(bench.command(&["EXISTS", &elsewhere]).await, Reply::Int(0));
    let usual = bench.key("control:reply:q-2");
    assert_eq!(bench.command(&["XLEN", &usual]).await, Reply::Int(1));
}
