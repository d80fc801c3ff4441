//! Bearer tokens: JSON Web Tokens that say which worker calls.
//!
//! The algorithm is the operator's to set and never the token's; what the token says of itself
//! (`kid`) only picks one of the keys that were set. A token of a person is none of a worker.

mod claims;
mod keys;
mod mint;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Credential, Secret};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{AuthError, Authenticator, Clock, Recall};
use jsonwebtoken::Validation;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

pub use self::keys::{Algorithm, Keys, KeysError};
pub use self::mint::{MintError, Minter};

use self::claims::Claims;
use self::keys::Print;
use super::swapped::Swapped;

/// The longest token that is looked at, in bytes. Ours have a few hundred.
const MAX_LEN: usize = 8 * 1024;

/// Tokens that are remembered to be good.
const MAX_KNOWN: u64 = 100_000;

/// Which tokens are accepted, besides that a key of ours signed them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who must have issued them, if that is said.
    pub issuer: Option<String>,
    /// Whom they must be for, if that is said.
    pub audience: Option<String>,
    /// How long they may be good for, from their issue to their end.
    pub max_lifetime: Duration,
    /// For how long a token that was verified is not verified again.
    pub cache: Duration,
}

/// Whose tokens are.
pub struct Tokens {
    verifier: Swapped<Verifier>,
    /// Tokens that were good, by the keys that were there then.
    good: Cache<Print, Known>,
    settings: Settings,
    clock: Arc<dyn Clock>,
}

/// Some keys, and how tokens are verified with them.
struct Verifier {
    keys: Keys,
    /// What they are all known by.
    print: Print,
    validation: Validation,
}

/// A token that was good.
#[derive(Clone)]
struct Known {
    worker: WorkerId,
    /// When it ends, in Unix seconds.
    end: f64,
    verified: Instant,
    /// The key that signed it, and all that were there.
    key: Print,
    keys: Print,
}

impl Tokens {
    /// Accepts what `keys` signed, within `settings`.
    pub fn new(keys: Keys, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            verifier: Swapped::new(Arc::new(Verifier::new(keys, &settings))),
            good: Cache::new(MAX_KNOWN),
            settings,
            clock,
        }
    }

    /// Takes `keys` in the place of those that were there; what those signed is verified anew, if
    /// they are others.
    pub fn replace(&self, keys: Keys) {
        let verifier = Verifier::new(keys, &self.settings);
        self.verifier.replace(Arc::new(verifier));
    }

    fn now(&self) -> f64 {
        seconds(self.clock.now())
    }

    /// The worker that `token` is of, if it is good.
    fn worker(&self, token: &str) -> Option<WorkerId> {
        let verifier = self.verifier.get();
        let (claims, key) = verifier.claims(token)?;
        let worker = claims.worker(self.now(), self.settings.max_lifetime)?;
        let known = Known {
            worker: worker.clone(),
            end: claims.end(),
            verified: Instant::now(),
            key,
            keys: verifier.print,
        };
        self.good.insert(print(token), known);
        Some(worker)
    }
}

impl Verifier {
    fn new(keys: Keys, settings: &Settings) -> Self {
        Self {
            validation: validation(keys.algorithm(), settings),
            print: keys.print(),
            keys,
        }
    }

    /// What `token` says, if a key of ours signed it, and which.
    fn claims(&self, token: &str) -> Option<(Claims, Print)> {
        if token.len() > MAX_LEN {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        // Whoever says that something must be understood is not understood by us.
        let plain = header.crit.is_none() && header.enc.is_none() && header.zip.is_none();
        let key = self.keys.find(header.kid.as_deref()).filter(|_| plain)?;
        let decoded =
            jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation).ok()?;
        Some((decoded.claims, key.print))
    }
}

#[async_trait]
impl Authenticator for Tokens {
    fn recall(&self, credential: &Credential) -> Recall {
        let Some(token) = token(credential).map(Secret::expose) else {
            return Recall::Unknown;
        };
        if token.len() > MAX_LEN {
            return Recall::Unknown;
        }
        let Some(known) = self.good.get(&print(token)) else {
            return Recall::Unknown;
        };
        let verifier = self.verifier.get();
        let same = known.keys == verifier.print;
        if known.end < self.now() || !(same || verifier.keys.hold(&known.key)) {
            Recall::Unknown
        } else if !same || known.verified.elapsed() > self.settings.cache {
            Recall::Genuine
        } else {
            Recall::Good(known.worker)
        }
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        let token = token(credential).ok_or(AuthError::Rejected)?;
        self.worker(token.expose()).ok_or(AuthError::Rejected)
    }
}

fn token(credential: &Credential) -> Option<&Secret> {
    match credential {
        Credential::Token(token) => Some(token),
        Credential::Key(_)
        | Credential::Certificate(_)
        | Credential::Signature(_)
        | Credential::Claim(_) => None,
    }
}

/// By what a token is remembered: not by itself, which is a secret.
fn print(token: &str) -> Print {
    Sha256::digest(token).into()
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// What is checked of every token; times are checked by our own clock.
fn validation(algorithm: Algorithm, settings: &Settings) -> Validation {
    let mut validation = Validation::new(algorithm.signature());
    validation.validate_exp = false;
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
