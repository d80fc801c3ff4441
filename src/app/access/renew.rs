use super::{Access, Presented};
use crate::domain::identity::{Caller, Credential};
use crate::ports::AuthError;

impl Access {
    /// Makes sure that one of the `presented` credentials, by which `caller` was let in, is still
    /// valid.
    ///
    /// It is no guess, so that it needs no leave, and is no failure of the address.
    ///
    /// # Errors
    ///
    /// [`AuthError::Rejected`] only if it is certain that none is.
    pub async fn renew(&self, caller: &Caller, presented: &Presented) -> Result<(), AuthError> {
        let mut unsure = None;
        for credential in &presented.credentials {
            match self.authenticator.authenticate(credential).await {
                Ok(worker) if worker == caller.worker => return Ok(()),
                Ok(_) | Err(AuthError::Rejected) => {}
                Err(unavailable) => unsure = Some(unavailable),
            }
        }
        Err(unsure.unwrap_or(AuthError::Rejected))
    }

    /// Takes down that a caller who was let in is so no more.
    pub fn note_revoked(&self, presented: &Presented) {
        let wrong = presented
            .credentials
            .first()
            .map_or("none", Credential::kind);
        self.note_rejected(presented, vec![wrong]);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::access::Limited;
    use crate::app::testing::{caller, silent, worker};
    use crate::domain::identity::{Credential, Secret};
    use crate::ports::{MockAttempts, MockAuthenticator, MockLimiter};

    fn access() -> Access {
        let mut authenticator = MockAuthenticator::new();
        authenticator
            .expect_authenticate()
            .returning(|credential| match credential {
                Credential::Key(key) if key.expose() == "good" => Ok(worker("w-1")),
                Credential::Key(key) if key.expose() == "another's" => Ok(worker("w-2")),
                Credential::Key(key) if key.expose() == "down" => {
                    Err(AuthError::Unavailable("lost the list".into()))
                }
                Credential::Key(_)
                | Credential::Token(_)
                | Credential::Certificate(_)
                | Credential::Signature(_)
                | Credential::Claim(_) => Err(AuthError::Rejected),
            });
        Access {
            // Whoever asks it for leave is a panic.
            attempts: Arc::new(MockAttempts::new()),
            authenticator: Arc::new(authenticator),
            limiter: Arc::new(MockLimiter::new()),
            limited: Limited::default(),
            journal: silent(),
        }
    }

    async fn renew(keys: &[&str]) -> Result<(), AuthError> {
        let key = |key: &&str| Credential::Key(Secret::new(*key));
        let presented = Presented {
            credentials: keys.iter().map(key).collect(),
            ..Presented::default()
        };
        access().renew(&caller("w-1"), &presented).await
    }

    #[pollster::test]
    async fn one_that_is_valid_is_enough() {
        for keys in [&["good"][..], &["revoked", "good"], &["down", "good"]] {
            renew(keys).await.expect("is valid");
        }
    }

    #[pollster::test]
    async fn it_is_rejected_only_if_that_is_certain() {
        for keys in [&["revoked"][..], &["another's", "revoked"]] {
            let told = renew(keys).await;
            assert!(matches!(told, Err(AuthError::Rejected)), "{keys:?}");
        }
        for keys in [&["down"][..], &["down", "revoked"], &["revoked", "down"]] {
            let told = renew(keys).await;
            assert!(matches!(told, Err(AuthError::Unavailable(_))), "{keys:?}");
        }
    }
}
