use super::{Access, Presented};
use crate::app::Error;
use crate::domain::identity::Caller;
use crate::ports::Recall;

/// What is known of a call's maker here and now.
#[derive(Debug)]
pub enum Recalled {
    /// Who it is, or that it is not whom it says it is.
    Settled(Result<Caller, Error>),
    /// It is no stranger, but somebody must be asked.
    Genuine,
    /// Nothing.
    Unknown,
}

impl Access {
    /// Settles who calls if nobody need be asked.
    ///
    /// Only the first credential is looked at: of a wrong one there is more to do.
    pub fn recall(&self, presented: &Presented) -> Recalled {
        let Some(first) = presented.credentials.first() else {
            return Recalled::Unknown;
        };
        match self.authenticator.recall(first) {
            Recall::Good(worker) => {
                let caller = Caller {
                    worker,
                    peer: presented.peer,
                    request: presented.request.clone(),
                };
                let claimed = self.check_claim(&caller, presented.claimed.as_ref());
                Recalled::Settled(claimed.map(|()| caller))
            }
            Recall::Genuine => Recalled::Genuine,
            Recall::Refused | Recall::Unknown => Recalled::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::access::Limited;
    use crate::app::testing::{patient, silent, worker};
    use crate::domain::identity::{Credential, Secret};
    use crate::ports::{MockAuthenticator, MockLimiter};

    fn access() -> Access {
        // Whoever asks it more is a panic.
        let mut authenticator = MockAuthenticator::new();
        authenticator
            .expect_recall()
            .returning(|credential| match credential {
                Credential::Key(key) if key.expose() == "good" => Recall::Good(worker("w-1")),
                Credential::Key(key) if key.expose() == "was good" => Recall::Genuine,
                Credential::Key(_)
                | Credential::Token(_)
                | Credential::Certificate(_)
                | Credential::Signature(_)
                | Credential::Claim(_) => Recall::Unknown,
            });
        Access {
            attempts: Arc::new(patient()),
            authenticator: Arc::new(authenticator),
            limiter: Arc::new(MockLimiter::new()),
            limited: Limited::default(),
            journal: silent(),
        }
    }

    fn recall(keys: &[&str], claimed: &str) -> Recalled {
        let key = |key: &&str| Credential::Key(Secret::new(*key));
        access().recall(&Presented {
            credentials: keys.iter().map(key).collect(),
            claimed: Some(worker(claimed)),
            ..Presented::default()
        })
    }

    #[test]
    fn who_is_known_is_settled_without_a_question() {
        let known = recall(&["good", "whatever"], "w-1");
        assert!(matches!(known, Recalled::Settled(Ok(caller)) if caller.worker == worker("w-1")));
        let impostor = recall(&["good"], "w-2");
        assert!(matches!(
            impostor,
            Recalled::Settled(Err(Error::Impostor { .. }))
        ));
    }

    #[test]
    fn of_whoever_is_not_known_nothing_is_settled() {
        assert!(matches!(recall(&["was good"], "w-1"), Recalled::Genuine));
        for keys in [&["wrong", "good"][..], &[]] {
            assert!(matches!(recall(keys, "w-1"), Recalled::Unknown), "{keys:?}");
        }
    }
}
