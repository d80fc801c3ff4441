//! What workers reply.

use gateway_core::domain::control::Reply;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::ControlError;

use super::super::{LONG, NOW, in_time, request, worker};
use super::{Controls, next, runtime, send};

contract!(memory, memory_live, redis, cluster => {
    a_reply_reaches_the_one_who_asked,
    whoever_waits_for_a_reply_gets_it_the_moment_it_comes,
    a_repeated_reply_replaces_the_first,
    a_reply_to_nothing_is_refused,
    a_reply_to_what_was_not_delivered_is_refused,
    a_reply_to_what_another_was_asked_is_refused,
    a_reply_to_another_stream_is_refused,
    a_reply_that_names_the_stream_it_was_given_is_fine,
    a_reply_that_comes_too_late_is_refused,
});

fn reply(to: &str, data: &str) -> Reply {
    Reply {
        request: request(to),
        success: true,
        data: data.to_owned(),
        error: String::new(),
        reply_stream: None,
    }
}

/// Asks `of` and brings the request to it.
async fn ask(bench: &impl Controls, of: &WorkerId, id: &str) {
    send(bench, of, runtime(id)).await;
    assert_eq!(next(bench, of).await.command, runtime(id));
}

async fn a_reply_reaches_the_one_who_asked(bench: &impl Controls) {
    let w = worker("w");
    ask(bench, &w, "q-1").await;
    ask(bench, &w, "q-2").await;
    let failed = Reply {
        success: false,
        data: String::new(),
        error: "没有".into(),
        ..reply("q-1", "")
    };
    let passed_on = bench.channel().reply(&w, failed.clone()).await;
    passed_on.expect("replies");

    let replies = bench.replies(&request("q-1"), NOW).await;
    assert_eq!(replies, vec![(w, failed)]);
    assert_eq!(bench.replies(&request("q-2"), NOW).await, vec![]);
}

async fn whoever_waits_for_a_reply_gets_it_the_moment_it_comes(bench: &impl Controls) {
    let w = worker("w");
    let q = request("q-1");
    let replies = async {
        ask(bench, &w, "q-1").await;
        let replied = bench.channel().reply(&w, reply("q-1", "{}")).await;
        replied.expect("replies");
    };

    let (got, ()) = tokio::join!(in_time(bench.replies(&q, LONG)), replies);
    assert_eq!(got, vec![(w, reply("q-1", "{}"))]);
}

async fn a_repeated_reply_replaces_the_first(bench: &impl Controls) {
    let w = worker("w");
    ask(bench, &w, "q-1").await;
    for data in ["1", "2"] {
        let replied = bench.channel().reply(&w, reply("q-1", data)).await;
        replied.expect("replies");
    }

    let replies = bench.replies(&request("q-1"), NOW).await;
    assert_eq!(replies, vec![(w, reply("q-1", "2"))]);
}

async fn a_reply_to_nothing_is_refused(bench: &impl Controls) {
    let refused = bench.channel().reply(&worker("w"), reply("q-1", "")).await;

    assert!(matches!(refused, Err(ControlError::UnknownRequest(id)) if id == request("q-1")));
    assert_eq!(bench.replies(&request("q-1"), NOW).await, vec![]);
}

async fn a_reply_to_what_was_not_delivered_is_refused(bench: &impl Controls) {
    let w = worker("w");
    send(bench, &w, runtime("q-1")).await;

    let refused = bench.channel().reply(&w, reply("q-1", "")).await;
    assert!(matches!(refused, Err(ControlError::UnknownRequest(_))));
}

async fn a_reply_to_what_another_was_asked_is_refused(bench: &impl Controls) {
    let (a, b) = (worker("a"), worker("b"));
    ask(bench, &a, "q-1").await;

    let refused = bench.channel().reply(&b, reply("q-1", "forged")).await;
    assert!(matches!(refused, Err(ControlError::RequestNotTheirs(id)) if id == request("q-1")));
    assert_eq!(bench.replies(&request("q-1"), NOW).await, vec![]);
}

async fn a_reply_to_another_stream_is_refused(bench: &impl Controls) {
    let w = worker("w");
    ask(bench, &w, "q-1").await;
    let elsewhere = Reply {
        reply_stream: Some("antcode:control:reply:q-2".into()),
        ..reply("q-1", "")
    };

    let refused = bench.channel().reply(&w, elsewhere).await;
    assert!(matches!(refused, Err(ControlError::RequestNotTheirs(_))));
    assert_eq!(bench.replies(&request("q-1"), NOW).await, vec![]);
}

async fn a_reply_that_names_the_stream_it_was_given_is_fine(bench: &impl Controls) {
    let w = worker("w");
    ask(bench, &w, "q-1").await;
    let named = Reply {
        reply_stream: Some("antcode:control:reply:q-1".into()),
        ..reply("q-1", "{}")
    };

    bench.channel().reply(&w, named).await.expect("replies");
    let replies = bench.replies(&request("q-1"), NOW).await;
    assert_eq!(replies.len(), 1);
}

async fn a_reply_that_comes_too_late_is_refused(bench: &impl Controls) {
    let w = worker("w");
    ask(bench, &w, "q-1").await;
    // Nobody replies, so that this ends with the time for it.
    let nothing = bench.replies(&request("q-1"), bench.reply_timeout()).await;
    assert_eq!(nothing, vec![]);

    let refused = bench.channel().reply(&w, reply("q-1", "")).await;
    assert!(matches!(refused, Err(ControlError::UnknownRequest(_))));
}
