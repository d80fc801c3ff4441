//! Whose API keys are, by the tables `workers` and `gateway_api_keys`.

mod lookup;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Credential;
use gateway_core::ports::{AuthError, Authenticator, Recall};

use self::lookup::{Lookup, Owner};
use super::digest::{Digest, digest};
use super::link::Link;
use super::questions::Questions;
use super::remembered::{Old, Remembered};

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

/// Whose API keys are. Answers are remembered by the SHA-256 of the key.
pub struct ApiKeys {
    lookup: Lookup,
    known: Remembered<Digest, Owner>,
    settings: ApiKeySettings,
}

impl ApiKeys {
    /// Looks keys up over `link`.
    pub fn new(link: Link, settings: ApiKeySettings) -> Self {
        Self::asking(Questions::new(link, None), settings)
    }

    pub(super) fn asking(questions: Questions, settings: ApiKeySettings) -> Self {
        Self {
            lookup: Lookup {
                questions,
                storage: settings.storage,
            },
            known: Remembered::new(settings.cache, settings.stale_max),
            settings,
        }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({:?})", self.settings)
    }
}

#[async_trait]
impl Authenticator for ApiKeys {
    fn recall(&self, credential: &Credential) -> Recall {
        let Some(key) = key(credential) else {
            return Recall::Unknown;
        };
        match self.known.recall(&digest(key)) {
            Some(Old::Fresh(owner)) if owner.is_over() => Recall::Unknown,
            Some(Old::Fresh(owner)) => Recall::Good(owner.worker),
            Some(Old::Last(_)) => Recall::Genuine,
            Some(Old::Nobody) => Recall::Refused,
            None => Recall::Unknown,
        }
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        let key = key(credential).ok_or(AuthError::Rejected)?;
        let digest = digest(key);
        let ask = || self.lookup.owner(key, &digest);
        let found = self.known.find(digest, ask()).await?;
        let owner = match found.answer.filter(|owner| !owner.is_over()) {
            // It may have been given more time since.
            None if !found.current => self.known.find_now(digest, ask()).await?,
            owner => owner,
        };
        let owner = owner.filter(|owner| !owner.is_over());
        owner.map(|owner| owner.worker).ok_or(AuthError::Rejected)
    }
}

/// The key that `credential` is, if it can be one.
fn key(credential: &Credential) -> Option<&str> {
    match credential {
        Credential::Key(key) => Some(key.expose()).filter(|key| (1..=MAX_KEY).contains(&key.len())),
        Credential::Token(_)
        | Credential::Certificate(_)
        | Credential::Signature(_)
        | Credential::Claim(_) => None,
    }
}
