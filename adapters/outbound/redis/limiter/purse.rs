use std::time::Duration;

use gateway_core::domain::limit::{Bucket, Rate};
use gateway_core::ports::LimitError;

/// How long what was leased may be spent.
const LEASE: Duration = Duration::from_secs(1);

/// The part of a budget that is leased in one go, and that may be spent without asking.
const PART: u32 = 16;

/// What this gateway may spend of one bucket of one worker.
#[derive(Default)]
pub(super) struct Purse {
    /// What was taken out of the bucket and not spent; less than nothing if more was spent.
    leased: f64,
    /// Until when that may be spent.
    until: Duration,
    /// What may be spent without asking: so little that it hardly counts. A worker that asks for
    /// little costs Redis nothing.
    free: Bucket,
    /// What was spent without asking and has not come back since.
    untold: Bucket,
    /// Until when there is nothing, and until when not all of it, at this rate.
    refused: Option<(Rate, Duration, Duration)>,
}

/// What is to be taken out of the bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ask {
    /// What must be there.
    pub(super) need: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    /// What was taken without a word before.
    pub(super) untold: f64,
}

/// What became of an [`Ask`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Answer {
    /// How much was taken; none if not enough is there.
    pub(super) taken: Option<f64>,
    /// What is missing of a full bucket now.
    pub(super) missing: f64,
}

impl Purse {
    /// Spends `amount`, of which `need` must be there; or says what is to be asked for first.
    ///
    /// # Errors
    ///
    /// If it is known that the bucket is empty.
    pub(super) fn spend(
        &mut self,
        rate: Rate,
        (need, amount): (f64, f64),
        now: Duration,
    ) -> Result<Option<Ask>, LimitError> {
        if let Some((at, until, full)) = self.refused
            && at == rate
            && now < until
        {
            return Err(exceeded(
                until.saturating_sub(now),
                full.saturating_sub(now),
            ));
        }
        self.refused = None;
        self.untold.refill(rate, now);
        if now >= self.until {
            self.leased = self.leased.min(0.0);
        }
        if self.leased >= need {
            self.leased -= amount;
            return Ok(None);
        }
        if let Some(part) = rate.part(PART) {
            self.free.refill(part, now);
            if self.free.wait(part, need).is_none() {
                self.free.take(amount);
                self.untold.take(amount);
                return Ok(None);
            }
        }
        let least = amount - self.leased.min(0.0);
        let slice = (rate.per_second().min(rate.capacity()) / f64::from(PART)).floor();
        Ok(Some(Ask {
            need: need.min(rate.capacity()),
            least,
            most: least.max(slice),
            untold: self.untold.missing(),
        }))
    }

    /// Takes in what came of `ask`, and spends from it.
    ///
    /// # Errors
    ///
    /// If not enough is there.
    pub(super) fn settle(
        &mut self,
        rate: Rate,
        ask: Ask,
        answer: Answer,
        now: Duration,
    ) -> Result<(), LimitError> {
        self.untold = Bucket::default();
        let mut bucket = Bucket::default();
        bucket.take(answer.missing);
        let full = bucket.until_full(rate);
        let Some(taken) = answer.taken else {
            let wait = bucket.wait(rate, ask.need).unwrap_or_default();
            self.refused = Some((rate, now + wait, now + full));
            return Err(exceeded(wait, full));
        };
        self.leased = taken - ask.least;
        self.until = now + LEASE;
        Ok(())
    }

    /// Takes back what was spent in vain.
    pub(super) fn put_back(&mut self, amount: f64) {
        self.leased += amount;
    }
}

fn exceeded(retry_after: Duration, full_after: Duration) -> LimitError {
    LimitError::Exceeded {
        retry_after,
        full_after: full_after.max(retry_after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const ONE: (f64, f64) = (1.0, 1.0);

    fn rate(per_second: f64, capacity: u32) -> Rate {
        Rate::new(per_second, capacity).expect("is a rate")
    }

    fn spend(purse: &mut Purse, rate: Rate, now: Duration) -> Option<Ask> {
        purse.spend(rate, ONE, now).expect("is not refused")
    }

    #[test]
    fn what_was_refused_at_another_rate_is_asked_for_again() {
        let (slow, fast) = (rate(0.01, 10), rate(100.0, 10));
        let mut purse = Purse::default();
        let ask = Ask {
            need: 1.0,
            least: 1.0,
            most: 1.0,
            untold: 0.0,
        };
        let empty = Answer {
            taken: None,
            missing: 10.0,
        };
        let refused = purse.settle(slow, ask, empty, NOW);
        refused.expect_err("there is nothing");
        let again = purse.spend(slow, ONE, NOW);
        again.expect_err("nothing has come");
        purse.spend(fast, ONE, NOW).expect("may have come");
    }

    #[test]
    fn little_is_spent_without_asking_and_told_later() {
        let (rate, mut purse) = (rate(16.0, 32), Purse::default());
        assert_eq!(spend(&mut purse, rate, NOW), None);
        assert_eq!(spend(&mut purse, rate, NOW), None);

        let ask = spend(&mut purse, rate, NOW).expect("is to be asked");
        let asked = (ask.need, ask.least, ask.most, ask.untold);
        assert_eq!(asked, (1.0, 1.0, 1.0, 2.0));
        let later = NOW + Duration::from_secs(1);
        assert_eq!(spend(&mut purse, rate, later), None, "one a second is free");
    }

    #[test]
    fn what_was_leased_is_spent_here_and_ends() {
        let (rate, mut purse) = (rate(160.0, 160), Purse::default());
        while spend(&mut purse, rate, NOW).is_none() {}
        let ask = spend(&mut purse, rate, NOW).expect("is to be asked");
        let answer = Answer {
            taken: Some(ask.most),
            missing: 20.0,
        };
        purse.settle(rate, ask, answer, NOW).expect("is enough");
        for _ in 1..10 {
            assert_eq!(spend(&mut purse, rate, NOW), None);
        }
        let ask = spend(&mut purse, rate, NOW).expect("is to be asked");
        assert_eq!(ask.untold.to_bits(), 0.0_f64.to_bits(), "it was told");

        purse.settle(rate, ask, answer, NOW).expect("is enough");
        purse.free.take(1_000.0);
        let later = NOW + LEASE;
        assert!(spend(&mut purse, rate, later).is_some());
    }

    #[test]
    fn a_refusal_is_known_until_it_is_over() {
        let (rate, mut purse) = (rate(2.0, 4), Purse::default());
        let ask = spend(&mut purse, rate, NOW).expect("is to be asked");
        let answer = Answer {
            taken: None,
            missing: 4.0,
        };
        let told = |refused| match refused {
            LimitError::Exceeded {
                retry_after,
                full_after,
            } => (retry_after.as_millis(), full_after.as_millis()),
            LimitError::Crowded { .. } | LimitError::Unavailable(_) => panic!("{refused}"),
        };

        let refused = purse.settle(rate, ask, answer, NOW).expect_err("is empty");
        assert_eq!(told(refused), (500, 2000));
        let soon = NOW + Duration::from_millis(400);
        let refused = purse.spend(rate, ONE, soon).expect_err("is known");
        assert_eq!(told(refused), (100, 1600));
        let later = NOW + Duration::from_millis(500);
        assert!(spend(&mut purse, rate, later).is_some());
    }

    #[test]
    fn what_was_spent_beyond_the_lease_is_paid_for_with_the_next() {
        let (rate, mut purse) = (rate(160.0, 160), Purse::default());
        purse.free.take(1_000_000.0);
        let ask = spend(&mut purse, rate, NOW).expect("is to be asked");
        let answer = Answer {
            taken: Some(10.0),
            missing: 10.0,
        };
        purse.settle(rate, ask, answer, NOW).expect("is enough");

        let spent = purse.spend(rate, (1.0, 100.0), NOW);
        assert_eq!(spent.expect("is not refused"), None);
        let ask = spend(&mut purse, rate, NOW).expect("is to be asked");
        assert!((ask.least - 92.0).abs() < 1e-9, "{ask:?}");
    }
}
