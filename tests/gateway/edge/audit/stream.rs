//! The copy of the audit in Redis.

use crate::support::servers::{RedisServer, until};
use crate::support::{Program, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_in_a_stream_that_all_gateways_share() {
    let redis = RedisServer::shared().await;
    let namespace = crate::support::servers::namespace();
    let program = Program::start(&[
        ("REDIS_URL", &redis.url()),
        ("REDIS_NAMESPACE", &namespace),
        ("AUDIT_STREAM", "true"),
        ("AUTH_FAILURES_PER_MINUTE", "100"),
    ])
    .await;
    let stranger = Worker::new(program.grpc, "w-1", Some("wrong"));
    stranger.poll(1).await.expect_err("is refused");

    let stream = format!("{namespace}:gateway:audit");
    let entry = until("it is in the stream", || async {
        let all = redis.command(&["XRANGE", &stream, "-", "+"]).await;
        let first = all.array().first()?;
        Some(first.array()[1].texts())
    })
    .await;
    for pair in [
        ["action", "rejected"],
        ["outcome", "refused"],
        ["claimed", "w-1"],
    ] {
        assert!(
            entry.chunks(2).any(|field| field == pair),
            "{pair:?} in {entry:?}"
        );
    }
    // The end waits for what is on its way.
    for _ in 0..10 {
        stranger.poll(1).await.expect_err("is refused");
    }
    program.stop().await;
    let left = redis.command(&["XLEN", &stream]).await;
    assert_eq!(left.int(), 11);
}

#[tokio::test]
async fn without_redis_there_is_no_stream() {
    let (status, _, error) = Program::run(&["check"], &[("AUDIT_STREAM", "true")]).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        error.contains("AUDIT_STREAM") && error.contains("needs Redis"),
        "{error}"
    );
}
