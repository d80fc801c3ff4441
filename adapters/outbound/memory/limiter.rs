mod workers;

use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::{Bucket, Class, Demand, Limits, Rate};
use gateway_core::ports::{self, LimitError};
use tokio::sync::watch;
use tokio::time::Instant;

use self::workers::Workers;

/// Token buckets for each worker: one for each class, and one for the bytes of its logs.
pub struct Limiter {
    limits: watch::Receiver<Option<Limits>>,
    workers: Workers,
    begun: Instant,
}

impl Limiter {
    /// Keeps each worker within `limits` as they are now; where there are none, everybody is let
    /// in. What was spent stays spent when they change.
    ///
    /// About `max_workers` are remembered. Of one whose buckets are full there is nothing to
    /// remember, and if there are more than that who have spent something, those are forgotten that
    /// have spent the least.
    pub fn new(limits: watch::Receiver<Option<Limits>>, max_workers: usize) -> Self {
        Self {
            limits,
            workers: Workers::new(max_workers),
            begun: Instant::now(),
        }
    }

    /// The same with limits that never change.
    pub fn fixed(limits: Limits, max_workers: usize) -> Self {
        Self::new(watch::channel(Some(limits)).1, max_workers)
    }
}

#[async_trait]
impl ports::Limiter for Limiter {
    async fn admit(&self, worker: &WorkerId, demand: Demand) -> Result<(), LimitError> {
        let Some(limits) = *self.limits.borrow() else {
            return Ok(());
        };
        let now = self.begun.elapsed();
        self.workers.with(worker, &limits, now, |buckets| {
            buckets.admit(&limits, demand, now)
        })
    }
}

/// What one worker has spent.
#[derive(Clone, Copy, Default)]
struct Buckets {
    control: Bucket,
    poll: Bucket,
    log: Bucket,
    bytes: Bucket,
}

impl Buckets {
    fn admit(&mut self, limits: &Limits, demand: Demand, now: Duration) -> Result<(), LimitError> {
        let calls = match demand.class {
            Class::Control => &mut self.control,
            Class::Poll => &mut self.poll,
            Class::Log => &mut self.log,
        };
        let asked = f64::from(demand.calls);
        look(calls, limits.calls(demand.class), asked, now)?;
        if demand.class == Class::Log {
            // They have been read: one must be left, and more than that may be lacking.
            look(&mut self.bytes, limits.log_bytes, 1.0, now)?;
            let bytes = u32::try_from(demand.bytes).unwrap_or(u32::MAX);
            self.bytes.take(f64::from(bytes));
        }
        calls.take(asked);
        Ok(())
    }

    /// What is missing of all of them, as parts of a full one; nothing if they are full.
    fn spent(&mut self, limits: &Limits, now: Duration) -> f64 {
        let part = |bucket: &mut Bucket, rate: Rate| {
            bucket.refill(rate, now);
            bucket.missing() / rate.capacity()
        };
        part(&mut self.control, limits.control)
            + part(&mut self.poll, limits.poll)
            + part(&mut self.log, limits.log)
            + part(&mut self.bytes, limits.log_bytes)
    }
}

/// Makes sure that `need` is there.
fn look(bucket: &mut Bucket, rate: Rate, need: f64, now: Duration) -> Result<(), LimitError> {
    bucket.refill(rate, now);
    let Some(retry_after) = bucket.wait(rate, need) else {
        return Ok(());
    };
    Err(LimitError::Exceeded {
        retry_after,
        full_after: bucket.until_full(rate).max(retry_after),
    })
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

#[cfg(test)]
mod tests {
    use gateway_core::ports::Limiter as _;

    use super::*;

    fn worker(number: u32) -> WorkerId {
        WorkerId::parse(&format!("w-{number}")).expect("is an identifier")
    }

    fn limits(per_second: f64, capacity: u32) -> Limits {
        Limits::even(Rate::new(per_second, capacity).expect("is a rate"))
    }

    async fn calls(limiter: &Limiter, of: &WorkerId, class: Class) -> u32 {
        let mut admitted = 0;
        while limiter.admit(of, Demand::call(class)).await.is_ok() {
            admitted += 1;
        }
        admitted
    }

    #[tokio::test(start_paused = true)]
    async fn workers_that_went_quiet_are_forgotten() {
        let limiter = Limiter::fixed(limits(100.0, 10), 100_000);
        for number in 0..900 {
            let once = Demand::call(Class::Control);
            let admitted = limiter.admit(&worker(number), once).await;
            admitted.expect("is let in");
        }
        assert_eq!(limiter.workers.len(), 900);
        tokio::time::advance(Duration::from_mins(2)).await;

        for number in 1_000..1_900 {
            let once = Demand::call(Class::Control);
            let admitted = limiter.admit(&worker(number), once).await;
            admitted.expect("is let in");
        }
        assert!(limiter.workers.len() <= 900, "{}", limiter.workers.len());
    }

    /// T28: what is kept does not grow with the names that callers make up.
    #[tokio::test(start_paused = true)]
    async fn a_million_workers_are_not_remembered() {
        // None of them is ever idle.
        let limiter = Limiter::fixed(limits(0.001, 10), 20_000);
        let known = worker(1_000_000);
        assert_eq!(calls(&limiter, &known, Class::Control).await, 10);

        for number in 0..1_000_000 {
            let once = Demand::call(Class::Control);
            let admitted = limiter.admit(&worker(number), once).await;
            admitted.expect("is let in");
        }
        assert!(limiter.workers.len() <= 25_000, "{}", limiter.workers.len());
        assert!(
            limiter.workers.room() <= 100_000,
            "{}",
            limiter.workers.room()
        );
        let refused = limiter.admit(&known, Demand::call(Class::Control)).await;
        refused.expect_err("who has spent most is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn other_limits_count_at_once_and_what_was_spent_stays_spent() {
        let (set, seen) = watch::channel(Some(limits(0.001, 4)));
        let (limiter, w) = (Limiter::new(seen, 10), worker(1));
        assert_eq!(calls(&limiter, &w, Class::Control).await, 4);

        set.send_replace(Some(limits(0.001, 6)));
        assert_eq!(calls(&limiter, &w, Class::Control).await, 2);
        assert_eq!(calls(&limiter, &w, Class::Poll).await, 6);
        set.send_replace(None);
        let admitted = limiter.admit(&w, Demand::call(Class::Control)).await;
        admitted.expect("nobody is limited");
    }
}
