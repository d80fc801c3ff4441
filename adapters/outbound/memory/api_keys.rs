use std::collections::{HashMap, HashSet};
use std::fmt::{self, Write as _};
use std::sync::Arc;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Credential, Secret};
use gateway_core::ports::{AuthError, Authenticator, Recall, WorkerDirectory};
use sha2::{Digest as _, Sha256};

pub use parse::KeysError;

use crate::outbound::swapped::Swapped;

mod parse;

/// The SHA-256 of a key.
pub type Digest = [u8; 32];

/// The worker that an API key made for this process alone belongs to.
const LOCAL: &str = "local";

/// Whose API keys are. Only what they hash to is held.
///
/// A key that is presented is hashed first, and only digests are compared: how long that takes
/// tells nothing of how much of a key was right.
pub struct ApiKeys {
    book: Swapped<Book>,
}

#[derive(Debug)]
struct Book {
    owners: HashMap<Digest, WorkerId>,
    workers: HashSet<WorkerId>,
}

impl ApiKeys {
    /// Reads a file of keys: a JSON object from worker ids to the SHA-256 of their key in
    /// lower-case hex, or to a list of at most two such, so that a key can be changed while both
    /// are in use.
    ///
    /// # Errors
    ///
    /// [`KeysError`], which names the entry and shows no digest.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        parse::parse(text)
    }

    fn of(owners: HashMap<Digest, WorkerId>) -> Self {
        let workers = owners.values().cloned().collect();
        Self {
            book: Swapped::new(Arc::new(Book { owners, workers })),
        }
    }

    /// Takes the keys of `other` over, and forgets those that were there.
    pub fn replace(&self, other: &Self) {
        self.book.replace(other.book.get());
    }

    fn owner(&self, credential: &Credential) -> Option<WorkerId> {
        match credential {
            Credential::Key(key) => self.book.get().owners.get(&digest(key.expose())).cloned(),
            Credential::Token(_)
            | Credential::Certificate(_)
            | Credential::Signature(_)
            | Credential::Claim(_) => None,
        }
    }

    /// One key for the worker `local`, made now, and the key itself.
    #[expect(clippy::missing_panics_doc, reason = "it says why it does not")]
    pub fn local() -> (Self, Secret) {
        let key = hex(&rand::random::<[u8; 32]>());
        let worker = WorkerId::parse(LOCAL).expect("five letters are an identifier");
        let keys = Self::from_iter([(worker, digest(&key))]);
        (keys, Secret::new(key))
    }
}

impl FromIterator<(WorkerId, Digest)> for ApiKeys {
    fn from_iter<I: IntoIterator<Item = (WorkerId, Digest)>>(keys: I) -> Self {
        let by_digest = keys.into_iter().map(|(worker, digest)| (digest, worker));
        Self::of(by_digest.collect())
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.book.get().owners.len())
    }
}

#[async_trait]
impl Authenticator for ApiKeys {
    fn recall(&self, credential: &Credential) -> Recall {
        self.owner(credential).map_or(Recall::Unknown, Recall::Good)
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        self.owner(credential).ok_or(AuthError::Rejected)
    }
}

/// The workers that have a key.
#[async_trait]
impl WorkerDirectory for ApiKeys {
    fn recalls(&self, worker: &WorkerId) -> bool {
        self.book.get().workers.contains(worker)
    }

    async fn knows(&self, worker: &WorkerId) -> Result<bool, AuthError> {
        Ok(self.recalls(worker))
    }
}

fn digest(key: &str) -> Digest {
    Sha256::digest(key).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(of: &[(&str, &str)]) -> ApiKeys {
        let id = |text| WorkerId::parse(text).expect("is an identifier");
        of.iter()
            .map(|(worker, key)| (id(worker), digest(key)))
            .collect()
    }

    fn recalled(keys: &ApiKeys, key: &str) -> Recall {
        keys.recall(&Credential::Key(Secret::new(key)))
    }

    #[tokio::test]
    async fn keys_that_take_the_place_of_others_are_all_there_are() {
        let (one, other) = (
            WorkerId::parse("w-1").expect("is an identifier"),
            WorkerId::parse("w-2").expect("is an identifier"),
        );
        let held = keys(&[("w-1", "old")]);
        assert_eq!(recalled(&held, "old"), Recall::Good(one.clone()));
        assert!(held.knows(&one).await.expect("is told"));

        held.replace(&keys(&[("w-2", "new")]));
        assert_eq!(recalled(&held, "old"), Recall::Unknown);
        assert_eq!(recalled(&held, "new"), Recall::Good(other.clone()));
        assert!(!held.knows(&one).await.expect("is told"));
        assert!(held.recalls(&other));
    }
}
