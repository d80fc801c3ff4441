use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Secret;
use gateway_core::ports::{self, AuthError, SigningKey};

use crate::outbound::swapped::Swapped;

/// The shortest secret, in bytes.
const MIN_SECRET: usize = 16;

/// What workers sign with.
pub struct SigningKeys {
    secrets: Swapped<HashMap<WorkerId, Secret>>,
}

/// Why a file of secrets cannot be used. It shows none of them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeysError {
    /// It has another form.
    #[error("not a JSON object of worker ids to secrets, at line {line}, column {column}")]
    Form {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// An entry is named by what is no worker id.
    #[error("a name is no worker id (1 to 64 characters of A-Z a-z 0-9 . _ -)")]
    Name,
    /// A secret can be guessed.
    #[error("worker {worker}: a secret has {MIN_SECRET} bytes or more, not {len}")]
    Short {
        /// Whose.
        worker: WorkerId,
        /// How many it has.
        len: usize,
    },
}

impl SigningKeys {
    /// Reads a file of secrets: a JSON object from worker ids to what each signs with.
    ///
    /// # Errors
    ///
    /// [`SigningKeysError`], which names the entry and shows no secret.
    pub fn parse(text: &str) -> Result<Self, SigningKeysError> {
        let entries: HashMap<String, String> =
            serde_json::from_str(text).map_err(|error| SigningKeysError::Form {
                line: error.line(),
                column: error.column(),
            })?;
        let mut secrets = HashMap::new();
        for (name, secret) in entries {
            let worker = WorkerId::parse(&name).map_err(|_| SigningKeysError::Name)?;
            let (secret, len) = (Secret::new(secret.as_str()), secret.len());
            if len < MIN_SECRET {
                return Err(SigningKeysError::Short { worker, len });
            }
            secrets.insert(worker, secret);
        }
        Ok(Self {
            secrets: Swapped::new(Arc::new(secrets)),
        })
    }

    /// Takes the secrets of `other` over, and forgets those that were there.
    pub fn replace(&self, other: &Self) {
        self.secrets.replace(other.secrets.get());
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({})", self.secrets.get().len())
    }
}

#[async_trait]
impl ports::SigningKeys for SigningKeys {
    fn recall(&self, worker: &WorkerId) -> Option<Secret> {
        self.secrets.get().get(worker).cloned()
    }

    async fn secret(&self, worker: &WorkerId) -> Result<SigningKey, AuthError> {
        Ok(SigningKey {
            secret: self.secret_now(worker).await?,
            current: true,
        })
    }

    async fn secret_now(&self, worker: &WorkerId) -> Result<Option<Secret>, AuthError> {
        Ok(ports::SigningKeys::recall(self, worker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_and_not_shown() {
        for (text, told) in [
            ("{", "line 1, column 1"),
            (r#"{"w-1": ["hunter2-hunter2-hunter2"]}"#, "line 1, column"),
            (r#"{"w 1": "hunter2-hunter2-hunter2"}"#, "no worker id"),
            (r#"{"w-1": "hunter2"}"#, "worker w-1: a secret has 16"),
        ] {
            let message = SigningKeys::parse(text).expect_err(text).to_string();
            assert!(message.contains(told), "{text}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
