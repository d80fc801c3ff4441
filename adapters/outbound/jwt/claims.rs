use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What a token says, as far as it is of interest beyond what is checked of every token.
#[derive(Deserialize)]
pub(super) struct Claims {
    exp: u64,
    iat: Option<u64>,
    nbf: Option<u64>,
    sub: Option<String>,
    worker_id: Option<String>,
    /// What the web API writes into the tokens of people.
    token_type: Option<IgnoredAny>,
    user_id: Option<IgnoredAny>,
}

impl Claims {
    /// The worker they name, unless they are a person's or good for too long.
    pub(super) fn worker(&self, max_lifetime: Duration) -> Option<WorkerId> {
        let a_persons = self.token_type.is_some() || self.user_id.is_some();
        let name = match &self.worker_id {
            Some(worker) => worker,
            None if a_persons => return None,
            None => self.sub.as_ref()?,
        };
        let worker = WorkerId::parse(name).ok()?;
        self.is_short(max_lifetime).then_some(worker)
    }

    /// A token that does not say when it was issued has no lifetime that could be too long.
    fn is_short(&self, max_lifetime: Duration) -> bool {
        let begin = self.iat.or(self.nbf);
        begin.is_none_or(|begin| self.exp.saturating_sub(begin) <= max_lifetime.as_secs())
    }
}
