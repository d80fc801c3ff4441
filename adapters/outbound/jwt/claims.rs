use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// How far clocks may be apart, in seconds.
const LEEWAY: f64 = 30.0;

/// What a token says, as far as it is of interest beyond whom it is from and for.
#[derive(Deserialize)]
pub(super) struct Claims {
    /// Times may have a fraction.
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    sub: Option<String>,
    worker_id: Option<String>,
    /// What the web API writes into the tokens of people.
    token_type: Option<IgnoredAny>,
    user_id: Option<IgnoredAny>,
}

impl Claims {
    /// The worker they name, unless they are a person's, or not good at `now` or for too long.
    pub(super) fn worker(&self, now: f64, max_lifetime: Duration) -> Option<WorkerId> {
        let a_persons = self.token_type.is_some() || self.user_id.is_some();
        let name = match &self.worker_id {
            Some(worker) => worker,
            None if a_persons => return None,
            None => self.sub.as_ref()?,
        };
        let worker = WorkerId::parse(name).ok()?;
        let good = self.is_begun(now) && !self.is_over(now) && self.is_short(now, max_lifetime);
        good.then_some(worker)
    }

    /// When they end, the leeway included.
    pub(super) fn end(&self) -> f64 {
        self.exp + LEEWAY
    }

    fn is_over(&self, now: f64) -> bool {
        self.end() < now
    }

    fn is_begun(&self, now: f64) -> bool {
        let begins = [self.nbf, self.iat];
        begins.into_iter().flatten().all(|at| at <= now + LEEWAY)
    }

    /// A token that does not say when it was issued counts from now.
    fn is_short(&self, now: f64, max_lifetime: Duration) -> bool {
        let begin = self.iat.or(self.nbf).unwrap_or(now);
        self.exp - begin <= max_lifetime.as_secs_f64()
    }
}
