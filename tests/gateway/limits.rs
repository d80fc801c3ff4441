//! How much a worker may ask.

use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::memory;
use gateway_core::domain::limit::{Limits, Rate};
use gateway_core::ports::{LimitError, MockLimiter, MockTaskQueue};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::support::{Gateway, Options};

async fn limited(capacity: u32) -> Gateway {
    // A rate so low that no test waits long enough for the next token.
    let rate = Rate::new(0.01, capacity).expect("is a rate");
    let limiter = memory::Limiter::fixed(Limits::even(rate), 100);
    Gateway::start_with(Options {
        limiter: Arc::new(limiter),
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn beyond_its_bucket_a_worker_hears_when_to_come_back() {
    let gateway = limited(3).await;
    let worker = gateway.worker("w-1");

    for _ in 0..3 {
        worker.beat(0).await.expect("is let in");
    }
    let refused: Status = worker.beat(0).await.expect_err("is refused");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let number = |name: &str| {
        let value = refused.metadata().get(name).expect("is there");
        value
            .to_str()
            .expect("is text")
            .parse::<u64>()
            .expect("is a number")
    };
    assert!((1..=100).contains(&number("retry-after")));
    assert_eq!(number("x-ratelimit-remaining"), 0);
    assert!((201..=300).contains(&number("x-ratelimit-reset")));
    assert!((1..=100_000).contains(&number("grpc-retry-pushback-ms")));
    let delay = refused
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    assert!(
        delay.is_some_and(|delay| delay <= Duration::from_secs(100)),
        "{delay:?}"
    );

    gateway
        .worker("w-2")
        .beat(0)
        .await
        .expect("has a bucket of its own");
    gateway.stop().await;
}

#[tokio::test]
async fn a_limit_keeps_calls_from_the_queue_and_leaves_health_alone() {
    let gateway = Gateway::start_with(Options {
        replace: |ports| {
            let mut limiter = MockLimiter::new();
            limiter.expect_admit().returning(|_, _| {
                let wait = Duration::from_secs(1);
                Err(LimitError::Exceeded {
                    retry_after: wait,
                    full_after: wait,
                })
            });
            ports.limiter = Arc::new(limiter);
            // A call to it would be a panic, and no answer.
            ports.task_queue = Arc::new(MockTaskQueue::new());
        },
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");

    for refused in [
        worker.poll(1).await.map(|_| ()),
        worker.ack("r", true).await,
    ] {
        let refused = refused.expect_err("is refused");
        assert_eq!(refused.code(), Code::ResourceExhausted);
    }
    let mut health = HealthClient::new(worker.channel());
    let request = worker.request(HealthCheckRequest::default());
    health.check(request).await.expect("is never limited");
    gateway.stop().await;
}

#[tokio::test]
async fn strangers_cost_a_worker_nothing() {
    let gateway = limited(1).await;

    let stranger = crate::support::Worker::new(gateway.address, "w-1", Some("wrong"));
    for _ in 0..10 {
        let refused = stranger.beat(0).await.expect_err("is refused");
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    gateway.worker("w-1").beat(0).await.expect("is let in");
    gateway.stop().await;
}
