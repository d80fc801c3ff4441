//! The contract of `Limiter`.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::{Class, Demand};
use gateway_core::ports::{LimitError, Limiter};
use tokio::time::{Instant, sleep};

use super::worker;

/// A backend that limits.
pub(super) trait Limits {
    /// Somebody who lets each worker make `rate` calls a second, and `capacity` at once.
    fn limiter(&self, rate: f64, capacity: u32) -> Arc<dyn Limiter>;
}

contract!(memory, memory_live => {
    a_worker_makes_its_allowance_and_no_more,
    a_refused_call_is_let_in_when_it_was_told,
    a_refused_call_costs_nothing,
    the_allowance_is_whole_again_when_it_was_told,
    one_workers_calls_are_not_anothers,
});

/// The slower, the less a hold-up of the machine matters.
const RATE: f64 = 2.5;
const PERIOD: Duration = Duration::from_millis(400);

/// Calls until one is refused: how many were let in, when the next will be, and when all will be.
async fn exhaust(limiter: &dyn Limiter, of: &WorkerId) -> (u32, Duration, Duration) {
    let mut admitted = 0;
    loop {
        match limiter.admit(of, Demand::call(Class::Control)).await {
            Ok(()) => admitted += 1,
            Err(LimitError::Exceeded {
                retry_after,
                full_after,
            }) => return (admitted, retry_after, full_after),
            Err(error @ LimitError::Unavailable(_)) => panic!("{error}"),
        }
        assert!(admitted < 1000, "no limit at all");
    }
}

/// How many calls may have been earned since `begun`.
fn earned(begun: Instant) -> u32 {
    u32::try_from(begun.elapsed().as_nanos() / PERIOD.as_nanos()).expect("takes less than that")
}

async fn a_worker_makes_its_allowance_and_no_more(bench: &impl Limits) {
    let limiter = bench.limiter(RATE, 5);
    let begun = Instant::now();

    let (admitted, retry_after, full_after) = exhaust(&*limiter, &worker("w")).await;
    assert!((5..=5 + earned(begun)).contains(&admitted), "{admitted}");
    assert!(retry_after > Duration::ZERO && retry_after <= PERIOD);
    assert!(full_after > PERIOD * 4 && full_after <= PERIOD * 5);
}

async fn a_refused_call_is_let_in_when_it_was_told(bench: &impl Limits) {
    let (limiter, w) = (bench.limiter(RATE, 2), worker("w"));
    for _ in 0..3 {
        let (_, retry_after, _) = exhaust(&*limiter, &w).await;
        sleep(retry_after).await;
        limiter
            .admit(&w, Demand::call(Class::Control))
            .await
            .expect("is let in");
    }
}

async fn a_refused_call_costs_nothing(bench: &impl Limits) {
    let (limiter, w) = (bench.limiter(RATE, 2), worker("w"));
    let (_, retry_after, _) = exhaust(&*limiter, &w).await;
    let begun = Instant::now();
    while begun.elapsed() < retry_after / 2 {
        let _refused = limiter.admit(&w, Demand::call(Class::Control)).await;
        sleep(Duration::from_millis(1)).await;
    }

    sleep(retry_after).await;
    limiter
        .admit(&w, Demand::call(Class::Control))
        .await
        .expect("is let in");
}

async fn the_allowance_is_whole_again_when_it_was_told(bench: &impl Limits) {
    let (limiter, w) = (bench.limiter(RATE, 3), worker("w"));
    let (_, _, full_after) = exhaust(&*limiter, &w).await;

    sleep(full_after).await;
    let begun = Instant::now();
    let (admitted, ..) = exhaust(&*limiter, &w).await;
    assert!((3..=3 + earned(begun)).contains(&admitted), "{admitted}");
}

async fn one_workers_calls_are_not_anothers(bench: &impl Limits) {
    let limiter = bench.limiter(RATE, 2);
    exhaust(&*limiter, &worker("a")).await;

    for _ in 0..2 {
        let admitted = limiter
            .admit(&worker("b"), Demand::call(Class::Control))
            .await;
        admitted.expect("has its own allowance");
    }
}
