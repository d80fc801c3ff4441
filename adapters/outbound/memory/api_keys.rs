use std::collections::HashMap;
use std::fmt::{self, Write as _};

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Credential, Secret};
use gateway_core::ports::{AuthError, Authenticator};
use sha2::{Digest as _, Sha256};

pub use parse::KeysError;

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
    workers: HashMap<Digest, WorkerId>,
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
        Self {
            workers: by_digest.collect(),
        }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.workers.len())
    }
}

#[async_trait]
impl Authenticator for ApiKeys {
    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        match credential {
            Credential::Key(key) => {
                let worker = self.workers.get(&digest(key.expose()));
                worker.cloned().ok_or(AuthError::Rejected)
            }
            Credential::Token(_)
            | Credential::Certificate(_)
            | Credential::Signature(_)
            | Credential::Claim(_) => Err(AuthError::Rejected),
        }
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
