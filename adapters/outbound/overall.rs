use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::{Bucket, Class, Demand, Limits, Rate};
use gateway_core::ports::{self, LimitError};
use tokio::sync::watch;
use tokio::time::Instant;

/// The part of the bucket that is for the control plane alone.
const RESERVE: f64 = 0.25;

/// A limiter before a limiter: one bucket for all workers together, where there is such a limit.
///
/// What keeps work going is refused last: polls and logs leave a part of the bucket to it.
pub struct Overall {
    each: Arc<dyn ports::Limiter>,
    limits: watch::Receiver<Option<Limits>>,
    bucket: Mutex<Bucket>,
    begun: Instant,
}

impl Overall {
    /// Keeps all workers together within `limits`, and leaves it to `each` to limit each of them.
    pub fn new(each: Arc<dyn ports::Limiter>, limits: watch::Receiver<Option<Limits>>) -> Self {
        Self {
            each,
            limits,
            bucket: Mutex::default(),
            begun: Instant::now(),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Bucket) -> T) -> T {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        act(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, rate: Rate, demand: Demand) -> Result<(), LimitError> {
        let now = self.begun.elapsed();
        let calls = f64::from(demand.calls);
        let left_alone = match demand.class {
            Class::Control => 0.0,
            // At least one call must be left to the others, too.
            Class::Poll | Class::Log => (rate.capacity() * RESERVE).min(rate.capacity() - 1.0),
        };
        self.with(|bucket| {
            bucket.refill(rate, now);
            if let Some(retry_after) = bucket.wait(rate, calls + left_alone) {
                let full_after = bucket.until_full(rate).max(retry_after);
                return Err(LimitError::Exceeded {
                    retry_after,
                    full_after,
                });
            }
            bucket.take(calls);
            Ok(())
        })
    }
}

#[async_trait]
impl ports::Limiter for Overall {
    async fn admit(&self, worker: &WorkerId, demand: Demand) -> Result<(), LimitError> {
        let rate = self.limits.borrow().and_then(|limits| limits.overall);
        let Some(rate) = rate.filter(|_| demand.calls > 0) else {
            return self.each.admit(worker, demand).await;
        };
        self.take(rate, demand)?;
        let taken = Taken {
            overall: self,
            calls: demand.calls,
        };
        self.each.admit(worker, demand).await?;
        taken.keep();
        Ok(())
    }
}

/// What was taken of the bucket. A worker that is refused, or goes away before it is told, takes
/// nothing from the others: dropped, it is put back.
struct Taken<'a> {
    overall: &'a Overall,
    calls: u32,
}

impl Taken<'_> {
    fn keep(mut self) {
        self.calls = 0;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.calls > 0 {
            let calls = f64::from(self.calls);
            self.overall.with(|bucket| bucket.put_back(calls));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_core::ports::{Limiter as _, MockLimiter};

    use super::*;

    fn limits(per_second: f64, capacity: u32) -> watch::Receiver<Option<Limits>> {
        let rate = Rate::new(per_second, capacity).expect("is a rate");
        let limits = Limits {
            overall: Some(rate),
            ..Limits::even(rate)
        };
        watch::channel(Some(limits)).1
    }

    fn overall(refused: &'static str) -> Overall {
        let mut each = MockLimiter::new();
        each.expect_admit().returning(move |worker, _| {
            if worker.as_str() != refused {
                return Ok(());
            }
            Err(LimitError::Exceeded {
                retry_after: Duration::from_secs(1),
                full_after: Duration::from_secs(1),
            })
        });
        Overall::new(Arc::new(each), limits(0.001, 8))
    }

    async fn calls(limiter: &Overall, worker: &str, class: Class) -> usize {
        let worker = WorkerId::parse(worker).expect("is an identifier");
        let mut admitted = 0;
        for _ in 0..20 {
            let asked = limiter.admit(&worker, Demand::call(class)).await;
            admitted += usize::from(asked.is_ok());
        }
        admitted
    }

    #[tokio::test(start_paused = true)]
    async fn polls_and_logs_leave_a_part_to_what_keeps_work_going() {
        let limiter = overall("nobody");
        assert_eq!(calls(&limiter, "a", Class::Log).await, 6);
        assert_eq!(calls(&limiter, "b", Class::Poll).await, 0);
        assert_eq!(calls(&limiter, "b", Class::Control).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_is_refused_takes_nothing_from_the_others() {
        let limiter = overall("a");
        assert_eq!(calls(&limiter, "a", Class::Control).await, 0);
        assert_eq!(calls(&limiter, "b", Class::Control).await, 8);
    }

    /// Never tells.
    struct Silent;

    #[async_trait]
    impl ports::Limiter for Silent {
        async fn admit(&self, _: &WorkerId, _: Demand) -> Result<(), LimitError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_takes_nothing_from_the_others() {
        let mut limiter = Overall::new(Arc::new(Silent), limits(0.001, 8));
        let given_up = calls(&limiter, "a", Class::Control);
        let given_up = tokio::time::timeout(Duration::from_secs(1), given_up).await;
        given_up.expect_err("waits");
        let mut each = MockLimiter::new();
        each.expect_admit().returning(|_, _| Ok(()));
        limiter.each = Arc::new(each);
        assert_eq!(calls(&limiter, "b", Class::Control).await, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_each_workers_own() {
        let limiter = overall("nobody");
        assert_eq!(calls(&limiter, "a", Class::Control).await, 8);
        let worker = WorkerId::parse("a").expect("is an identifier");
        let bytes = limiter.admit(&worker, Demand::bytes(Class::Log, 9)).await;
        bytes.expect("is let in");
    }
}
