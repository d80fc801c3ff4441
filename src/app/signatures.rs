use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::id::WorkerId;
use crate::domain::identity::{Credential, NONCE_MEMORY, Signature};
use crate::ports::{AuthError, Authenticator, Clock, Nonces, Recall, Room, SigningKeys, Spent};

/// Signatures of a worker that are remembered if nobody says how often it may call: a thousand a
/// second.
const MOST: u32 = 600_000;

/// When a worker tries again that has signed too much.
const RETRY: Duration = Duration::from_secs(1);

/// How many signatures of a worker are remembered at the most.
type Most = Box<dyn Fn() -> Option<u32> + Send + Sync>;

/// Whose signatures are.
pub struct Signatures {
    keys: Arc<dyn SigningKeys>,
    nonces: Arc<dyn Nonces>,
    clock: Arc<dyn Clock>,
    most: Most,
}

impl Signatures {
    /// Verifies with `keys`, each signature once, as `nonces` knows.
    pub fn new(keys: Arc<dyn SigningKeys>, nonces: Arc<dyn Nonces>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys,
            nonces,
            clock,
            most: Box::new(|| None),
        }
    }

    /// Remembers no more of each worker than `most` says, if it says anything: whoever signs more
    /// is refused, and nobody else is.
    #[must_use]
    pub fn limited(mut self, most: impl Fn() -> Option<u32> + Send + Sync + 'static) -> Self {
        self.most = Box::new(most);
        self
    }

    fn was_replayed(&self, signature: &Signature) -> bool {
        self.nonces.recalls(&signature.worker, &signature.nonce)
    }

    /// `credential`, if it is a signature that is worth a look.
    fn timely<'a>(&self, credential: &'a Credential) -> Option<&'a Signature> {
        match credential {
            Credential::Signature(signature) => {
                Some(signature).filter(|signature| signature.is_timely(self.clock.now()))
            }
            Credential::Key(_)
            | Credential::Token(_)
            | Credential::Certificate(_)
            | Credential::Claim(_) => None,
        }
    }

    /// Whether it is by the secret of its worker. That may have been changed a moment ago: one that
    /// is merely remembered proves nobody wrong.
    async fn is_signed(&self, signature: &Signature) -> Result<bool, AuthError> {
        let known = self.keys.secret(&signature.worker).await?;
        let by_it = signature.is_by(known.secret.as_ref());
        if by_it || known.current {
            return Ok(by_it);
        }
        let secret = self.keys.secret_now(&signature.worker).await?;
        Ok(signature.is_by(secret.as_ref()))
    }
}

#[async_trait]
impl Authenticator for Signatures {
    fn recall(&self, credential: &Credential) -> Recall {
        let Some(signature) = self.timely(credential) else {
            return Recall::Unknown;
        };
        let secret = self.keys.recall(&signature.worker);
        // Whether it was used before must be asked, unless that was told already: then it may be
        // anybody who sends it.
        if signature.is_by(secret.as_ref()) && !self.was_replayed(signature) {
            return Recall::Genuine;
        }
        Recall::Unknown
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        let signature = self.timely(credential).ok_or(AuthError::Rejected)?;
        let worker = &signature.worker;
        // Only what is signed is remembered, lest a stranger use up what a worker is about to.
        if !self.is_signed(signature).await? {
            return Err(AuthError::Rejected);
        }
        let room = Room {
            keep: NONCE_MEMORY,
            most: (self.most)().unwrap_or(MOST),
        };
        match self.nonces.spend(worker, &signature.nonce, room).await? {
            Spent::First => Ok(worker.clone()),
            Spent::Again => Err(AuthError::Rejected),
            Spent::Full => Err(AuthError::Exceeded { retry_after: RETRY }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use super::*;
    use crate::app::testing::worker;
    use crate::domain::identity::{Secret, VERIFIED};
    use crate::domain::time::Timestamp;
    use crate::ports::{MockClock, MockNonces, MockSigningKeys, SigningKey};

    const MAC: &str = "a7840afb39337480e6dd045ac652f769599da16a78466c49c904182815724567";

    fn signed(name: &str, nonce: &str, mac: &str) -> Credential {
        Credential::Signature(Signature {
            worker: worker(name),
            timestamp: "1700000000".into(),
            nonce: nonce.into(),
            mac: Secret::new(mac),
        })
    }

    /// Knows the secret of `w-1`, remembers none, and is out of order for `down`.
    fn keys() -> MockSigningKeys {
        let mut keys = MockSigningKeys::new();
        keys.expect_recall().returning(|_| None);
        keys.expect_secret()
            .returning(|worker| match worker.as_str() {
                "w-1" => Ok(known("what only w-1 knows", true)),
                "down" => Err(AuthError::Unavailable("lost the list".into())),
                _ => Ok(SigningKey {
                    secret: None,
                    current: true,
                }),
            });
        keys
    }

    fn known(secret: &str, current: bool) -> SigningKey {
        SigningKey {
            secret: Some(Secret::new(secret)),
            current,
        }
    }

    fn memory() -> MockNonces {
        let mut nonces = MockNonces::new();
        let seen = Mutex::new(HashSet::new());
        nonces.expect_spend().returning(move |worker, nonce, room| {
            assert_eq!(room.keep.as_secs(), 660, "twice the tolerance, and more");
            let mut seen = seen.lock().expect("is not poisoned");
            let known = seen.contains(&(worker.clone(), nonce.to_owned()));
            match known {
                true => Ok(Spent::Again),
                false if seen.len() >= room.most as usize => Ok(Spent::Full),
                false => {
                    seen.insert((worker.clone(), nonce.to_owned()));
                    Ok(Spent::First)
                }
            }
        });
        nonces
    }

    fn signatures(keys: MockSigningKeys, nonces: MockNonces) -> Signatures {
        let mut clock = MockClock::new();
        clock
            .expect_now()
            .returning(|| Timestamp::from_second(1_700_000_000).expect("is a time"));
        Signatures::new(Arc::new(keys), Arc::new(nonces), Arc::new(clock))
    }

    #[pollster::test]
    async fn a_signature_counts_once() {
        let signatures = signatures(keys(), memory());

        let first = signatures.authenticate(&signed("w-1", "n", MAC)).await;
        assert_eq!(first.expect("is hers"), worker("w-1"));
        let again = signatures.authenticate(&signed("w-1", "n", MAC)).await;
        assert!(matches!(again, Err(AuthError::Rejected)), "{again:?}");
    }

    #[pollster::test]
    async fn a_wrong_one_is_not_remembered_and_a_bad_one_not_looked_up() {
        // A call to the nonces would be a panic.
        let wrong = signatures(keys(), MockNonces::new());
        let zeros = "0".repeat(64);
        for (name, nonce) in [("w-1", "n"), ("w-2", "n")] {
            let told = wrong.authenticate(&signed(name, nonce, &zeros)).await;
            assert!(matches!(told, Err(AuthError::Rejected)), "{told:?}");
        }
        let bad = signatures(MockSigningKeys::new(), MockNonces::new());
        let told = bad.authenticate(&signed("w-1", "a b", MAC)).await;
        assert!(matches!(told, Err(AuthError::Rejected)), "{told:?}");
        assert_eq!(bad.recall(&signed("w-1", "a b", MAC)), Recall::Unknown);
    }

    /// Remembers another secret than `w-1` has by `now`.
    fn outdated(now: fn() -> Result<Option<Secret>, AuthError>) -> MockSigningKeys {
        let mut keys = MockSigningKeys::new();
        keys.expect_secret()
            .returning(|_| Ok(known("what w-1 knew before", false)));
        keys.expect_secret_now().once().returning(move |_| now());
        keys
    }

    #[pollster::test]
    async fn what_is_remembered_proves_nobody_wrong() {
        let changed = || Ok(Some(Secret::new("what only w-1 knows")));
        let new = signatures(outdated(changed), memory());
        let told = new.authenticate(&signed("w-1", "n", MAC)).await;
        assert_eq!(told.expect("is hers"), worker("w-1"));

        for now in [|| Ok(None), || Ok(Some(Secret::new("another")))] {
            let gone = signatures(outdated(now), MockNonces::new());
            let told = gone.authenticate(&signed("w-1", "n", MAC)).await;
            assert!(matches!(told, Err(AuthError::Rejected)), "{told:?}");
        }
        let away = || Err(AuthError::Unavailable("away".into()));
        let lost = signatures(outdated(away), MockNonces::new());
        let told = lost.authenticate(&signed("w-1", "n", MAC)).await;
        assert!(matches!(told, Err(AuthError::Unavailable(_))), "{told:?}");
    }

    /// T16: who tries names learns from the time it takes nothing of who is there.
    #[pollster::test]
    async fn as_much_is_hashed_for_a_stranger_as_for_a_worker() {
        let work = async |name: &str| {
            let before = VERIFIED.get();
            let mut keys = MockSigningKeys::new();
            let secret = |worker: &WorkerId| {
                (worker.as_str() == "w-1").then(|| Secret::new("what only w-1 knows"))
            };
            keys.expect_recall().returning(secret);
            keys.expect_secret().returning(move |worker| {
                Ok(SigningKey {
                    secret: secret(worker),
                    current: true,
                })
            });
            let signatures = signatures(keys, MockNonces::new());
            let wrong = signed(name, "n", &"0".repeat(64));
            assert_eq!(signatures.recall(&wrong), Recall::Unknown);
            let told = signatures.authenticate(&wrong).await;
            assert!(matches!(told, Err(AuthError::Rejected)), "{told:?}");
            VERIFIED.get() - before
        };

        assert_eq!(work("w-1").await, 2);
        assert_eq!(work("w-9").await, 2);
    }

    #[pollster::test]
    async fn an_outage_is_no_rejection() {
        let lost = signatures(keys(), MockNonces::new());
        let told = lost.authenticate(&signed("down", "n", MAC)).await;
        assert!(matches!(told, Err(AuthError::Unavailable(_))), "{told:?}");

        let mut nonces = MockNonces::new();
        nonces
            .expect_spend()
            .returning(|_, _, _| Err(AuthError::Unavailable("away".into())));
        let lost = signatures(keys(), nonces);
        let told = lost.authenticate(&signed("w-1", "n", MAC)).await;
        assert!(matches!(told, Err(AuthError::Unavailable(_))), "{told:?}");
    }

    #[test]
    fn it_is_no_guess_if_it_is_by_a_secret_that_is_remembered() {
        let mut known = MockSigningKeys::new();
        known
            .expect_recall()
            .returning(|_| Some(Secret::new("what only w-1 knows")));
        let mut nonces = MockNonces::new();
        nonces.expect_recalls().times(1).returning(|_, _| false);
        nonces.expect_recalls().returning(|_, _| true);
        let signatures = signatures(known, nonces);

        assert_eq!(signatures.recall(&signed("w-1", "m", MAC)), Recall::Unknown);
        assert_eq!(signatures.recall(&signed("w-1", "n", MAC)), Recall::Genuine);
        // Whoever heard it may send it again.
        assert_eq!(signatures.recall(&signed("w-1", "n", MAC)), Recall::Unknown);
    }

    #[pollster::test]
    async fn a_worker_signs_no_more_than_is_remembered_of_it() {
        let full = signatures(keys(), memory()).limited(|| Some(0));
        let told = full.authenticate(&signed("w-1", "n", MAC)).await;
        assert!(matches!(told, Err(AuthError::Exceeded { .. })), "{told:?}");

        let free = signatures(keys(), memory()).limited(|| None);
        let told = free.authenticate(&signed("w-1", "n", MAC)).await;
        assert_eq!(told.expect("has room"), worker("w-1"));
    }
}
