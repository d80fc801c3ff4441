use std::time::Duration;

/// The longest that a bucket may take to fill: what is beyond it can hardly be told by any clock.
const MAX_REFILL: f64 = u32::MAX as f64;

/// What a sum of fractions may be wrong by.
const SLACK: f64 = 1e-6;

/// How fast a bucket fills, and how much is in a full one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    capacity: f64,
}

impl Rate {
    /// What a worker may send of logs when nobody says otherwise, in bytes: 16 MiB a second, 64 MiB
    /// at once.
    pub const LOG_BYTES: Self = Self {
        per_second: 16_777_216.0,
        capacity: 67_108_864.0,
    };

    /// So many come back each second, and so many are in a full bucket.
    ///
    /// # Errors
    ///
    /// [`RateError`] if there cannot be such a limit.
    pub fn new(per_second: f64, capacity: u32) -> Result<Self, RateError> {
        let rate = Self {
            per_second,
            capacity: f64::from(capacity),
        };
        let sound = per_second > 0.0 && per_second.is_finite() && capacity > 0;
        if sound && rate.capacity / per_second <= MAX_REFILL {
            return Ok(rate);
        }
        Err(RateError {
            per_second,
            capacity,
        })
    }

    /// How many come back each second.
    pub fn per_second(self) -> f64 {
        self.per_second
    }

    /// How many are in a full bucket.
    pub fn capacity(self) -> f64 {
        self.capacity
    }

    /// How many there are at the most within some time, from a full bucket on.
    pub fn within(self, time: Duration) -> u32 {
        let most = self.capacity + self.per_second * time.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is above zero, and what is too much for a u32 becomes its maximum"
        )]
        let most = most.ceil() as u32;
        most
    }

    /// One of so many parts of it; none if that would hold nothing.
    pub fn part(self, of: u32) -> Option<Self> {
        let capacity = (self.capacity / f64::from(of)).floor();
        (capacity >= 1.0).then(|| Self {
            per_second: self.per_second / f64::from(of),
            capacity,
        })
    }

    /// How long it takes for so many to come back. Rounded up: who comes too early is refused again.
    pub fn time_for(self, amount: f64) -> Duration {
        let time = Duration::try_from_secs_f64(amount.max(0.0) / self.per_second);
        let time = time.unwrap_or(Duration::MAX);
        if time.as_secs_f64() * self.per_second + SLACK / 2.0 < amount {
            return time.saturating_add(Duration::from_nanos(1));
        }
        time
    }
}

/// Why there cannot be such a limit.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "a rate of {per_second} a second with a capacity of {capacity} is no limit that can be kept"
)]
pub struct RateError {
    per_second: f64,
    capacity: u32,
}

/// What somebody has spent and not had back yet. A new one is full.
///
/// It does not know its [`Rate`]: where that is changed, what was spent stays spent. Times are
/// since any moment, the same for all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bucket {
    missing: f64,
    seconds: f64,
}

impl Bucket {
    /// Lets in what has come back until `now`.
    pub fn refill(&mut self, rate: Rate, now: Duration) {
        let now = now.as_secs_f64();
        let passed = (now - self.seconds).max(0.0);
        self.missing = (self.missing - passed * rate.per_second).max(0.0);
        self.seconds = now;
    }

    /// How long it takes until `need` is there; none if it is there now. Whoever needs more than
    /// there ever is, waits for a full bucket.
    pub fn wait(&self, rate: Rate, need: f64) -> Option<Duration> {
        let lack = self.missing + need.min(rate.capacity) - rate.capacity;
        (lack > SLACK).then(|| rate.time_for(lack))
    }

    /// Takes `amount`, were it more than there is: then the bucket is in debt.
    pub fn take(&mut self, amount: f64) {
        self.missing += amount;
    }

    /// Puts back what was taken and not used.
    pub fn put_back(&mut self, amount: f64) {
        self.missing = (self.missing - amount).max(0.0);
    }

    /// What is missing.
    pub fn missing(&self) -> f64 {
        self.missing
    }

    /// How long it takes until nothing is missing.
    pub fn until_full(&self, rate: Rate) -> Duration {
        rate.time_for(self.missing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(per_second: f64, capacity: u32) -> Rate {
        Rate::new(per_second, capacity).expect("is a rate")
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
            assert!(Rate::new(per_second, 1).is_err(), "{per_second}");
        }
        assert!(Rate::new(1.0, 0).is_err());
        assert!(Rate::new(0.001, u32::MAX).is_err(), "136,000 years");
        assert!(Rate::new(0.25, 1).is_ok());
    }

    #[test]
    fn what_is_larger_than_the_bucket_is_taken_from_a_full_one_and_paid_back() {
        let (rate, mut bucket) = (rate(10.0, 20), Bucket::default());
        assert_eq!(bucket.wait(rate, 100.0), None);

        bucket.take(100.0);
        let wait = bucket.wait(rate, 1.0).expect("is in debt");
        assert!(wait > Duration::from_millis(8_099) && wait < Duration::from_millis(8_101));
        bucket.refill(rate, wait);
        assert_eq!(bucket.wait(rate, 1.0), None);
    }

    #[test]
    fn what_was_spent_stays_spent_when_the_rate_is_another() {
        let mut bucket = Bucket::default();
        bucket.take(20.0);

        assert_eq!(bucket.wait(rate(1.0, 25), 5.0), None);
        assert!(bucket.wait(rate(1.0, 20), 1.0).is_some());
    }

    proptest! {
        #[test]
        fn no_more_is_let_in_than_came_back(
            per_second in 0.5..1000.0_f64,
            capacity in 1_u32..500,
            pauses in prop::collection::vec(0_u64..200, 1..300),
        ) {
            let (rate, mut bucket) = (rate(per_second, capacity), Bucket::default());
            let (mut now, mut taken) = (Duration::ZERO, 0.0);
            for pause in pauses {
                now += Duration::from_millis(pause);
                bucket.refill(rate, now);
                if bucket.wait(rate, 1.0).is_none() {
                    bucket.take(1.0);
                    taken += 1.0;
                }
            }
            let earned = f64::from(capacity) + per_second * now.as_secs_f64();
            prop_assert!(taken <= earned + 0.01, "{taken} of {earned}");
        }

        #[test]
        fn who_waits_as_told_is_let_in(
            per_second in 0.001..1e6_f64,
            capacity in 1_u32..1_000_000,
            spent in 0.0..2e6_f64,
        ) {
            let (rate, mut bucket) = (rate(per_second, capacity), Bucket::default());
            bucket.take(spent);
            let wait = bucket.wait(rate, 1.0).unwrap_or_default();
            bucket.refill(rate, wait);
            prop_assert_eq!(bucket.wait(rate, 1.0), None);
        }
    }
}
