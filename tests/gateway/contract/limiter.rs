//! The contract of `Limiter`.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::{Class, Demand, Limits, Rate};
use gateway_core::ports::{LimitError, Limiter};
use tokio::time::{Instant, sleep};

use super::worker;

/// A backend that limits.
pub(super) trait Limiting {
    /// Somebody who keeps each worker within `limits`.
    fn limiter(&self, limits: Limits) -> Arc<dyn Limiter>;
}

contract!(memory, memory_live, redis, cluster => {
    a_worker_makes_its_allowance_and_no_more,
    each_class_has_an_allowance_of_its_own,
    bytes_pass_while_any_are_left_and_are_paid_back,
    bytes_that_are_owed_hold_up_logs_and_nothing_else,
    a_refused_call_is_let_in_when_it_was_told,
    a_refused_call_costs_nothing,
    the_allowance_is_whole_again_when_it_was_told,
    one_workers_calls_are_not_anothers,
});

/// The slower, the less a hold-up of the machine matters.
const RATE: f64 = 2.5;
const PERIOD: Duration = Duration::from_millis(400);

/// The same for each class, with so many calls at once.
fn even(capacity: u32) -> Limits {
    Limits::even(rate(RATE, capacity))
}

fn rate(per_second: f64, capacity: u32) -> Rate {
    Rate::new(per_second, capacity).expect("is a rate")
}

/// Calls until one is refused: how many were let in, when the next will be, and when all will be.
async fn exhaust(limiter: &dyn Limiter, of: &WorkerId) -> (u32, Duration, Duration) {
    exhaust_class(limiter, of, Class::Control).await
}

async fn exhaust_class(
    limiter: &dyn Limiter,
    of: &WorkerId,
    class: Class,
) -> (u32, Duration, Duration) {
    let mut admitted = 0;
    loop {
        match limiter.admit(of, Demand::call(class)).await {
            Ok(()) => admitted += 1,
            Err(LimitError::Exceeded {
                retry_after,
                full_after,
            }) => return (admitted, retry_after, full_after),
            Err(error @ (LimitError::Crowded { .. } | LimitError::Unavailable(_))) => {
                panic!("{error}")
            }
        }
        assert!(admitted < 1000, "no limit at all");
    }
}

/// How many calls may have been earned since `begun`.
fn earned(begun: Instant) -> u32 {
    u32::try_from(begun.elapsed().as_nanos() / PERIOD.as_nanos()).expect("takes less than that")
}

async fn a_worker_makes_its_allowance_and_no_more(bench: &impl Limiting) {
    let limiter = bench.limiter(even(5));
    let begun = Instant::now();

    let (admitted, retry_after, full_after) = exhaust(&*limiter, &worker("w")).await;
    assert!((5..=5 + earned(begun)).contains(&admitted), "{admitted}");
    assert!(retry_after > Duration::ZERO && retry_after <= PERIOD);
    assert!(full_after > PERIOD * 4 && full_after <= PERIOD * 5);
}

async fn a_refused_call_is_let_in_when_it_was_told(bench: &impl Limiting) {
    let (limiter, w) = (bench.limiter(even(2)), worker("w"));
    for _ in 0..3 {
        let (_, retry_after, _) = exhaust(&*limiter, &w).await;
        sleep(retry_after).await;
        limiter
            .admit(&w, Demand::call(Class::Control))
            .await
            .expect("is let in");
    }
}

async fn a_refused_call_costs_nothing(bench: &impl Limiting) {
    let (limiter, w) = (bench.limiter(even(2)), worker("w"));
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

async fn the_allowance_is_whole_again_when_it_was_told(bench: &impl Limiting) {
    let (limiter, w) = (bench.limiter(even(3)), worker("w"));
    let (_, _, full_after) = exhaust(&*limiter, &w).await;

    sleep(full_after).await;
    let begun = Instant::now();
    let (admitted, ..) = exhaust(&*limiter, &w).await;
    assert!((3..=3 + earned(begun)).contains(&admitted), "{admitted}");
}

async fn one_workers_calls_are_not_anothers(bench: &impl Limiting) {
    let limiter = bench.limiter(even(2));
    exhaust(&*limiter, &worker("a")).await;

    for _ in 0..2 {
        let admitted = limiter
            .admit(&worker("b"), Demand::call(Class::Control))
            .await;
        admitted.expect("has its own allowance");
    }
}

/// T27: none of them can use up what is another's.
async fn each_class_has_an_allowance_of_its_own(bench: &impl Limiting) {
    let limits = Limits {
        control: rate(RATE, 3),
        poll: rate(RATE, 4),
        log: rate(RATE, 5),
        ..even(1)
    };
    let (limiter, w) = (bench.limiter(limits), worker("w"));
    for (class, allowance) in [(Class::Log, 5), (Class::Poll, 4), (Class::Control, 3)] {
        let begun = Instant::now();
        let (admitted, ..) = exhaust_class(&*limiter, &w, class).await;
        let most = allowance + earned(begun);
        assert!(
            (allowance..=most).contains(&admitted),
            "{class:?}: {admitted}"
        );
    }
}

async fn bytes_pass_while_any_are_left_and_are_paid_back(bench: &impl Limiting) {
    let limits = Limits {
        log_bytes: rate(1_000.0, 1_000),
        ..even(100)
    };
    let (limiter, w) = (bench.limiter(limits), worker("w"));
    let bytes = |bytes| limiter.admit(&w, Demand::bytes(Class::Log, bytes));

    // Whoever has read them would have read them in vain.
    bytes(500).await.expect("is let in");
    bytes(2_500).await.expect("leaves a debt");
    let refused = bytes(1).await.expect_err("is refused");
    let LimitError::Exceeded { retry_after, .. } = refused else {
        panic!("{refused}");
    };
    assert!(retry_after <= Duration::from_secs(3), "{retry_after:?}");
    sleep(retry_after).await;
    bytes(1).await.expect("is let in");
}

/// T27: who floods logs does not stop its own results.
async fn bytes_that_are_owed_hold_up_logs_and_nothing_else(bench: &impl Limiting) {
    let limits = Limits {
        log_bytes: rate(1.0, 10),
        ..even(100)
    };
    let (limiter, w) = (bench.limiter(limits), worker("w"));
    let flood = limiter
        .admit(&w, Demand::bytes(Class::Log, 1_000_000))
        .await;
    flood.expect("leaves a debt");

    let refused = limiter.admit(&w, Demand::call(Class::Log)).await;
    assert!(matches!(refused, Err(LimitError::Exceeded { .. })));
    for class in [Class::Control, Class::Poll] {
        let admitted = limiter.admit(&w, Demand::call(class)).await;
        admitted.expect("is let in");
    }
}
