use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::Demand;
use gateway_core::ports::{self, LimitError};
use governor::clock::Clock;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// How many calls go by between two looks at how many workers are known.
const CALLS_BETWEEN_LOOKS: u32 = 1024;

/// A token bucket a worker.
pub struct Limiter {
    buckets: RateLimiter<WorkerId, DashMapStateStore<WorkerId>, Steady>,
    /// From empty to full, less the first token.
    refill: Duration,
    max_workers: usize,
    calls: AtomicU32,
}

impl Limiter {
    /// Lets each worker make `rate` calls a second, and `capacity` at once. A worker whose bucket
    /// is full may be forgotten, and is when more than `max_workers` are known.
    ///
    /// # Errors
    ///
    /// [`RateError`] if there cannot be such a limit.
    pub fn new(rate: f64, capacity: u32, max_workers: usize) -> Result<Self, RateError> {
        let refused = || RateError { rate, capacity };
        let period = Duration::try_from_secs_f64(rate.recip()).map_err(|_| refused())?;
        let burst = NonZeroU32::new(capacity).ok_or_else(refused)?;
        let quota = Quota::with_period(period).ok_or_else(refused)?;
        // The limiter counts in nanoseconds of 64 bits.
        let refill = period.checked_mul(capacity - 1).ok_or_else(refused)?;
        if refill > Duration::from_secs(u64::from(u32::MAX)) {
            return Err(refused());
        }
        Ok(Self {
            buckets: RateLimiter::dashmap_with_clock(quota.allow_burst(burst), Steady),
            refill,
            max_workers,
            calls: AtomicU32::new(0),
        })
    }

    fn forget_the_idle_now_and_then(&self) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if call.is_multiple_of(CALLS_BETWEEN_LOOKS) && self.buckets.len() > self.max_workers {
            self.buckets.retain_recent();
        }
    }
}

#[async_trait]
impl ports::Limiter for Limiter {
    async fn admit(&self, worker: &WorkerId, _: Demand) -> Result<(), LimitError> {
        self.forget_the_idle_now_and_then();
        let Err(refused) = self.buckets.check_key(worker) else {
            return Ok(());
        };
        let retry_after = refused.wait_time_from(Steady.now());
        Err(LimitError::Exceeded {
            retry_after,
            full_after: retry_after + self.refill,
        })
    }
}

/// Lets everybody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

#[async_trait]
impl ports::Limiter for Unlimited {
    async fn admit(&self, _: &WorkerId, _: Demand) -> Result<(), LimitError> {
        Ok(())
    }
}

/// Why there cannot be such a limit.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("a rate of {rate} a second with a capacity of {capacity} is no limit that can be kept")]
pub struct RateError {
    rate: f64,
    capacity: u32,
}

/// The clock of the runtime, which a test can pause.
#[derive(Clone, Copy)]
struct Steady;

impl Clock for Steady {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::ports::Limiter as _;

    use gateway_core::domain::limit::Class;

    use super::*;

    fn worker(number: u32) -> WorkerId {
        WorkerId::parse(&format!("w-{number}")).expect("is an identifier")
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300, 1e12] {
            assert!(Limiter::new(rate, 1, 1).is_err(), "{rate}");
        }
        assert!(Limiter::new(1.0, 0, 1).is_err());
        assert!(Limiter::new(0.25, 1, 1).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn workers_that_went_quiet_are_forgotten() {
        let limiter = Limiter::new(100.0, 10, 1000).expect("is a limit");
        for number in 0..3000 {
            limiter
                .admit(&worker(number), Demand::call(Class::Control))
                .await
                .expect("is let in");
        }
        tokio::time::advance(Duration::from_secs(1)).await;

        for _ in 0..CALLS_BETWEEN_LOOKS {
            tokio::time::advance(Duration::from_millis(10)).await;
            limiter
                .admit(&worker(1), Demand::call(Class::Control))
                .await
                .expect("is let in");
        }
        assert_eq!(limiter.buckets.len(), 1);
    }
}
