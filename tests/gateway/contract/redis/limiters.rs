use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::memory;
use gateway_adapters::outbound::redis::Backend;
use gateway_core::domain::limit::{Class, Demand, Limits, Rate};
use gateway_core::ports::{self, Limiter, MockLimiter};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::limiter::Limiting;
use super::super::worker;
use super::{Redis, on_one};
use crate::support::servers::RedisServer;

impl Limiting for Redis {
    fn limiter(&self, limits: Limits) -> Arc<dyn ports::Limiter> {
        limiter(&self.backend, limits)
    }
}

/// A limiter that never has to count by itself.
fn limiter(backend: &Backend, limits: Limits) -> Arc<dyn Limiter> {
    let limits = watch::channel(Some(limits)).1;
    // A call to it would be a panic.
    let alone = Arc::new(MockLimiter::new());
    Arc::new(backend.limiter(limits, alone))
}

fn even(per_second: f64, capacity: u32) -> Limits {
    Limits::even(Rate::new(per_second, capacity).expect("is a rate"))
}

/// Lets each of `limiters` make calls in turn until none of them may make any.
async fn exhaust(limiters: &[Arc<dyn Limiter>]) -> u32 {
    let (mut admitted, mut refused, w) = (0, 0, worker("w"));
    for limiter in limiters.iter().cycle() {
        let call = limiter.admit(&w, Demand::call(Class::Control)).await;
        if call.is_ok() {
            (admitted, refused) = (admitted + 1, 0);
        } else {
            refused += 1;
        }
        if refused > limiters.len() {
            break;
        }
    }
    admitted
}

/// T27: a worker does not get more by going to several gateways.
#[tokio::test]
async fn two_gateways_share_one_budget() {
    for (capacity, free) in [(10, 0), (320, 2 * 20)] {
        let redis = on_one().await;
        let another = redis.another().await;
        let limits = even(1.0, capacity);
        let limiters = [limiter(&redis.backend, limits), limiter(&another, limits)];
        let begun = Instant::now();

        let admitted = exhaust(&limiters).await;
        let earned = u32::try_from(begun.elapsed().as_secs()).expect("takes less") + 2;
        // What is spent without asking is told with the next question.
        let most = capacity + free + earned;
        assert!(
            (capacity - 1..=most).contains(&admitted),
            "{admitted} of {capacity}"
        );
    }
}

#[tokio::test]
async fn a_worker_that_asks_for_little_costs_redis_nothing() {
    let redis = on_one().await;
    let (limiter, w) = (limiter(&redis.backend, even(100.0, 200)), worker("w"));
    for _ in 0..12 {
        let call = limiter.admit(&w, Demand::call(Class::Poll)).await;
        call.expect("is let in");
    }

    let key = redis.key("gateway:limit:w");
    assert_eq!(redis.command(&["EXISTS", &key]).await.int(), 0);
    for _ in 0..20 {
        let call = limiter.admit(&w, Demand::call(Class::Poll)).await;
        call.expect("is let in");
    }
    assert_eq!(redis.command(&["HLEN", &key]).await.int(), 1);
}

/// T28: what is kept of a worker goes when there is nothing to remember.
#[tokio::test]
async fn the_key_of_a_worker_ends_when_its_buckets_are_full() {
    let redis = on_one().await;
    let limits = Limits {
        log_bytes: Rate::new(10.0, 15).expect("is a rate"),
        ..even(10.0, 15)
    };
    let (limiter, w) = (limiter(&redis.backend, limits), worker("w"));
    let call = limiter.admit(&w, Demand::call(Class::Control));
    call.await.expect("is let in");
    let key = redis.key("gateway:limit:w");
    let ttl = redis.command(&["PTTL", &key]).await.int();
    assert!((1..=2_000).contains(&ttl), "{ttl}");

    let flood = limiter.admit(&w, Demand::bytes(Class::Log, 1_500));
    flood.await.expect("leaves a debt");
    let ttl = redis.command(&["PTTL", &key]).await.int();
    assert!((100_000..=200_000).contains(&ttl), "{ttl}");
    // What takes less does not shorten it.
    let call = limiter.admit(&w, Demand::call(Class::Control));
    call.await.expect("is let in");
    let ttl = redis.command(&["PTTL", &key]).await.int();
    assert!(ttl > 100_000, "{ttl}");
}

/// A Redis that hangs, or is gone, holds up nobody.
#[tokio::test]
async fn without_redis_each_gateway_counts_by_itself() {
    let server = RedisServer::start().await;
    let redis = on_one().await;
    let backend = redis.through(&server.url()).await;
    let limits = even(0.01, 10);
    let here = memory::Limiter::fixed(limits, 100);
    let limiter = backend.limiter(watch::channel(Some(limits)).1, Arc::new(here));
    let w = worker("w");
    let admit = async || limiter.admit(&w, Demand::call(Class::Control)).await;
    for _ in 0..10 {
        admit().await.expect("is let in");
    }
    admit().await.expect_err("all is spent");

    // A refusal that is known costs no question, another worker's call does.
    server.pause();
    let others = worker("v");
    for _ in 0..10 {
        let call = limiter.admit(&others, Demand::call(Class::Control));
        call.await.expect("is let in by this gateway's own count");
    }
    let call = limiter.admit(&others, Demand::call(Class::Control));
    call.await.expect_err("its own count is a limit, too");

    server.resume();
    let back = async {
        let last = worker("u");
        loop {
            let call = limiter.admit(&last, Demand::call(Class::Control));
            let _either = call.await;
            let key = redis.key("gateway:limit:u");
            if server.command(&["EXISTS", &key]).await.int() == 1 {
                return;
            }
        }
    };
    let counted = tokio::time::timeout(Duration::from_secs(30), back).await;
    counted.expect("Redis counts again");
}
