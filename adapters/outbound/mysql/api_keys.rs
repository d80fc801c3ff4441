//! Whose API keys are, by the tables `workers` and `gateway_api_keys`.

mod lookup;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Credential, Secret};
use gateway_core::ports::{AuthError, Authenticator};
use moka::future::Cache;
use tokio::time::Instant;

use self::lookup::{Lookup, LookupError, Owner};
use super::digest::{Digest, digest};
use super::link::Link;
use crate::outbound::breaker::Breaker;

/// Keys whose owners are remembered.
const MAX_KNOWN: u64 = 100_000;

/// Keys that are remembered to be nobody's, and for how long. They take no room from the others,
/// so that whoever tries keys drives nobody out.
const UNKNOWN: (u64, Duration) = (10_000, Duration::from_secs(5));

/// The longest key that is looked for. Ours have 80 characters at most, the Master's 64.
const MAX_KEY: usize = 512;

/// How keys are looked for, and for how long an answer is believed.
#[derive(Clone, Copy, Debug)]
pub struct ApiKeySettings {
    /// What `workers.api_key` holds.
    pub storage: KeyStorage,
    /// For how long an answer is believed without asking again.
    pub cache: Duration,
    /// For how long it is believed while `MySQL` cannot be asked, from when it was given.
    pub stale_max: Duration,
}

/// What `workers.api_key` holds of a key. Never both: a leaked hash could pass for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStorage {
    /// The key.
    Plain,
    /// Its SHA-256 in lower-case hex.
    Sha256,
}

/// Whose API keys are.
///
/// Answers are remembered by the SHA-256 of the key. Callers who ask for the same key at once share
/// one question. While `MySQL` cannot be asked, old answers count, and a key without one is neither
/// accepted nor rejected.
pub struct ApiKeys {
    lookup: Lookup,
    breaker: Option<Arc<Breaker>>,
    settings: ApiKeySettings,
    /// Answers that count without a question.
    fresh: Cache<Digest, Known>,
    /// Answers that count while nobody can be asked.
    last: Cache<Digest, Known>,
    /// Keys that are nobody's.
    unknown: Cache<Digest, ()>,
}

/// An answer.
#[derive(Clone, Debug)]
struct Known {
    worker: WorkerId,
    /// When it was asked for.
    asked: Instant,
    /// When the key expires, if it does.
    expires: Option<Instant>,
}

impl Known {
    fn of(owner: Owner, asked: Instant) -> Self {
        Self {
            worker: owner.worker,
            asked,
            // One that is too far off to be told is as good as none.
            expires: owner.remaining.and_then(|left| asked.checked_add(left)),
        }
    }

    fn has_expired(&self) -> bool {
        self.expires.is_some_and(|end| end <= Instant::now())
    }
}

impl ApiKeys {
    /// Looks keys up over `link`.
    pub fn new(link: Link, settings: ApiKeySettings) -> Self {
        let (max_unknown, unknown) = UNKNOWN;
        let unknown = Cache::builder()
            .max_capacity(max_unknown)
            .time_to_live(unknown.min(settings.cache));
        let known = |ttl| Cache::builder().max_capacity(MAX_KNOWN).time_to_live(ttl);
        let stale = settings.stale_max.max(settings.cache);
        Self {
            lookup: Lookup::new(link, settings.storage),
            breaker: None,
            settings,
            fresh: known(settings.cache).build(),
            last: known(stale).build(),
            unknown: unknown.build(),
        }
    }

    /// Asks only what `breaker` lets pass; what is known counts as before.
    #[must_use]
    pub fn guarded(mut self, breaker: Arc<Breaker>) -> Self {
        self.breaker = Some(breaker);
        self
    }

    async fn owner(&self, key: &Secret) -> Result<WorkerId, AuthError> {
        let text = key.expose();
        if text.is_empty() || text.len() > MAX_KEY {
            return Err(AuthError::Rejected);
        }
        let digest = digest(text);
        if self.unknown.get(&digest).await.is_some() {
            return Err(AuthError::Rejected);
        }
        let ask = self.ask(text, digest);
        let known = match self.fresh.try_get_with(digest, ask).await {
            Ok(known) => known,
            Err(error) => self.without_answer(&digest, &error).await?,
        };
        if known.has_expired() {
            return Err(AuthError::Rejected);
        }
        Ok(known.worker)
    }

    async fn ask(&self, key: &str, digest: Digest) -> Result<Known, LookupError> {
        let asked = Instant::now();
        let owner = self.lookup.owner(key, &digest);
        let owner = match &self.breaker {
            Some(breaker) => breaker.guard(owner).await,
            None => owner.await,
        };
        match owner {
            Ok(owner) => {
                let known = Known::of(owner, asked);
                self.last.insert(digest, known.clone()).await;
                Ok(known)
            }
            Err(LookupError::Nobody) => {
                self.last.invalidate(&digest).await;
                self.unknown.insert(digest, ()).await;
                Err(LookupError::Nobody)
            }
            Err(error) => Err(error),
        }
    }

    /// What is known of a key that was not found, or could not be looked for.
    async fn without_answer(
        &self,
        digest: &Digest,
        error: &Arc<LookupError>,
    ) -> Result<Known, AuthError> {
        if matches!(**error, LookupError::Nobody) {
            return Err(AuthError::Rejected);
        }
        let old = self.last.get(digest).await;
        let old = old.filter(|known| known.asked.elapsed() <= self.settings.stale_max);
        old.ok_or_else(|| AuthError::Unavailable(error.clone().into()))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({:?})", self.settings)
    }
}

#[async_trait]
impl Authenticator for ApiKeys {
    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        match credential {
            Credential::Key(key) => self.owner(key).await,
            Credential::Token(_)
            | Credential::Certificate(_)
            | Credential::Signature(_)
            | Credential::Claim(_) => Err(AuthError::Rejected),
        }
    }
}
