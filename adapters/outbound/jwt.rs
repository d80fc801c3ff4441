//! Bearer tokens: JSON Web Tokens that say which worker calls.
//!
//! The algorithm is the operator's to set and never the token's; what the token says of itself
//! (`kid`) only picks one of the keys that were set. A token of a person is none of a worker.

mod claims;
mod keys;

use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Credential;
use gateway_core::ports::{AuthError, Authenticator};
use jsonwebtoken::Validation;

pub use self::keys::{Algorithm, Keys, KeysError};

use self::claims::Claims;

/// How far clocks may be apart, in seconds.
const LEEWAY: u64 = 30;

/// The longest token that is looked at, in bytes. Ours have a few hundred.
const MAX_LEN: usize = 8 * 1024;

/// Which tokens are accepted, besides that a key of ours signed them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who must have issued them, if that is said.
    pub issuer: Option<String>,
    /// Whom they must be for, if that is said.
    pub audience: Option<String>,
    /// How long they may be good for, from their issue to their end.
    pub max_lifetime: Duration,
}

/// Whose tokens are.
#[derive(Debug)]
pub struct Tokens {
    keys: Keys,
    validation: Validation,
    max_lifetime: Duration,
}

impl Tokens {
    /// Accepts what `keys` signed, within `settings`.
    pub fn new(keys: Keys, settings: &Settings) -> Self {
        Self {
            validation: validation(keys.algorithm(), settings),
            keys,
            max_lifetime: settings.max_lifetime,
        }
    }

    /// The worker that `token` is of, if it is good.
    fn worker(&self, token: &str) -> Option<WorkerId> {
        if token.len() > MAX_LEN {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        // Whoever says that something must be understood is not understood by us.
        let plain = header.crit.is_none() && header.enc.is_none() && header.zip.is_none();
        let key = self.keys.find(header.kid.as_deref()).filter(|_| plain)?;
        let decoded = jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok()?;
        decoded.claims.worker(self.max_lifetime)
    }
}

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        match credential {
            Credential::Token(token) => self.worker(token.expose()).ok_or(AuthError::Rejected),
            Credential::Key(_)
            | Credential::Certificate(_)
            | Credential::Signature(_)
            | Credential::Claim(_) => Err(AuthError::Rejected),
        }
    }
}

fn validation(algorithm: Algorithm, settings: &Settings) -> Validation {
    let mut validation = Validation::new(algorithm.signature());
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    let mut required = vec!["exp"];
    if let Some(issuer) = &settings.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    // Nobody's in particular are for us, too, where no audience is set; else it must be ours.
    match &settings.audience {
        Some(audience) => {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        None => validation.validate_aud = false,
    }
    validation.set_required_spec_claims(&required);
    validation
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
