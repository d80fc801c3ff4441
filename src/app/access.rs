mod limits;

use std::sync::Arc;

use super::{Error, Journal};
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::id::WorkerId;
use crate::domain::identity::{Caller, Credential, Presented};
use crate::ports::{Attempts, AuthError, Authenticator, Limiter, Recall, Throttled};

pub(super) use limits::Limited;

/// Who is calling, and may they?
pub struct Access {
    pub(super) attempts: Arc<dyn Attempts>,
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) limiter: Arc<dyn Limiter>,
    pub(super) limited: Limited,
    pub(super) journal: Journal,
}

impl Access {
    /// Settles who calls: the owner of the first credential that is valid, if the call does not
    /// say it is from somebody else.
    pub async fn identify(&self, presented: &Presented) -> Result<Caller, Error> {
        let worker = self.first_valid(presented).await?;
        let caller = Caller {
            worker,
            peer: presented.peer,
            request: presented.request.clone(),
        };
        self.check_claim(&caller, presented.claimed.as_ref())?;
        Ok(caller)
    }

    /// Makes sure that `caller` is whom it `claimed` to be; no claim is a true one.
    pub fn check_claim(&self, caller: &Caller, claimed: Option<&WorkerId>) -> Result<(), Error> {
        match claimed {
            Some(claimed) if *claimed != caller.worker => {
                let claimed = claimed.clone();
                self.journal.note(
                    caller,
                    Action::Impersonated {
                        claimed: claimed.clone(),
                    },
                );
                Err(Error::Impostor {
                    caller: caller.worker.clone(),
                    claimed,
                })
            }
            _ => Ok(()),
        }
    }

    async fn first_valid(&self, presented: &Presented) -> Result<WorkerId, Error> {
        if presented.credentials.is_empty() {
            let failed = self.attempts.fail(presented.peer);
            failed.map_err(|throttled| self.throttled(presented, throttled))?;
            self.note_rejected(presented, vec!["none"]);
        }
        let (mut rejected, mut unsure, mut found) = (Vec::new(), None, None);
        for credential in &presented.credentials {
            match self.owner(presented, credential).await {
                Ok(worker) => {
                    found = Some(worker);
                    break;
                }
                Err(Error::Auth(AuthError::Rejected)) => rejected.push(credential.kind()),
                Err(other) => unsure = unsure.or(Some(other)),
            }
        }
        if !rejected.is_empty() {
            self.note_rejected(presented, rejected);
        }
        // A worker that is rejected five times stops for good: while one of its credentials might
        // be valid, it is not.
        found.ok_or_else(|| unsure.unwrap_or(AuthError::Rejected.into()))
    }

    /// The worker that `credential` belongs to.
    ///
    /// What is known to be good needs no leave, and neither does what is no guess: one who fails
    /// all the time must not stop others that come from the same address.
    async fn owner(
        &self,
        presented: &Presented,
        credential: &Credential,
    ) -> Result<WorkerId, Error> {
        let attempt = match self.authenticator.recall(credential) {
            Recall::Good(worker) => return Ok(worker),
            Recall::Genuine => None,
            Recall::Unknown => {
                let begun = self.attempts.begin(presented.peer).await;
                Some(begun.map_err(|throttled| self.throttled(presented, throttled))?)
            }
        };
        let told = self.authenticator.authenticate(credential).await;
        match (&told, attempt) {
            (Err(AuthError::Rejected), Some(attempt)) => drop(attempt),
            (Err(AuthError::Rejected), None) => {
                // It was looked up already, so that it makes no difference now.
                let _counted = self.attempts.fail(presented.peer);
            }
            (_, Some(attempt)) => attempt.forgive(),
            (_, None) => {}
        }
        Ok(told?)
    }

    fn throttled(&self, presented: &Presented, throttled: Throttled) -> Error {
        if throttled.newly {
            self.note(presented, Action::Throttled);
        }
        throttled.into()
    }

    /// Takes down what was wrong with a call, in one record however much it was.
    fn note_rejected(&self, presented: &Presented, credentials: Vec<&'static str>) {
        let action = Action::Rejected {
            credentials,
            claimed: presented.claimed.clone(),
        };
        self.note(presented, action);
    }

    /// Takes down what somebody unknown did.
    fn note(&self, presented: &Presented, action: Action) {
        self.journal.log.record(AuditEvent {
            at: self.journal.clock.now(),
            actor: None,
            peer: presented.peer,
            request: presented.request.clone(),
            action,
        });
    }
}

#[cfg(test)]
mod throttling;

#[cfg(test)]
mod tests {
    use mockall::predicate::eq;

    use super::*;
    use crate::app::testing::{audited, caller, journal, patient, silent, worker};
    use crate::domain::identity::Secret;
    use crate::domain::limit::{Class, Demand};
    use crate::ports::{LimitError, MockAuthenticator, MockLimiter};

    fn key(text: &str) -> Credential {
        Credential::Key(Secret::new(text))
    }

    fn presented(credentials: Vec<Credential>, claimed: Option<&str>) -> Presented {
        Presented {
            credentials,
            claimed: claimed.map(worker),
            peer: None,
            request: None,
        }
    }

    fn access(authenticator: MockAuthenticator, journal: Journal) -> Access {
        Access {
            attempts: Arc::new(patient()),
            authenticator: Arc::new(authenticator),
            limiter: Arc::new(MockLimiter::new()),
            limited: Limited::default(),
            journal,
        }
    }

    /// Knows one key, `right`, and is out of order for the key `down`.
    fn doorman() -> MockAuthenticator {
        let mut authenticator = MockAuthenticator::new();
        authenticator.expect_recall().returning(|_| Recall::Unknown);
        authenticator
            .expect_authenticate()
            .returning(|credential| match credential {
                Credential::Key(secret) if secret.expose() == "right" => Ok(worker("w-1")),
                Credential::Key(secret) if secret.expose() == "down" => {
                    Err(AuthError::Unavailable("lost the list".into()))
                }
                Credential::Key(_)
                | Credential::Token(_)
                | Credential::Certificate(_)
                | Credential::Signature(_)
                | Credential::Claim(_) => Err(AuthError::Rejected),
            });
        authenticator
    }

    #[pollster::test]
    async fn the_owner_of_a_valid_key_is_the_caller() {
        let access = access(doorman(), silent());

        let found = access
            .identify(&presented(vec![key("right")], Some("w-1")))
            .await;
        assert_eq!(found.expect("is identified").worker, worker("w-1"));
    }

    #[pollster::test]
    async fn a_valid_key_does_not_cover_for_another_worker() {
        let (journal, events) = journal();
        let access = access(doorman(), journal);

        let refused = access
            .identify(&presented(vec![key("right")], Some("w-2")))
            .await;
        assert!(
            matches!(refused, Err(Error::Impostor { .. })),
            "{refused:?}"
        );
        let claimed = worker("w-2");
        assert_eq!(audited(&events), vec![Action::Impersonated { claimed }]);
    }

    #[pollster::test]
    async fn no_credential_is_a_wrong_one() {
        let (journal, events) = journal();
        let access = access(MockAuthenticator::new(), journal);

        let refused = access.identify(&presented(vec![], None)).await;
        assert!(matches!(refused, Err(Error::Auth(AuthError::Rejected))));
        assert_eq!(audited(&events).len(), 1);
    }

    #[pollster::test]
    async fn the_audit_of_a_wrong_key_does_not_hold_the_key() {
        let (journal, events) = journal();
        let access = access(doorman(), journal);

        let refused = access
            .identify(&presented(vec![key("hunter2")], Some("w-1")))
            .await;
        refused.expect_err("is refused");
        let written = format!("{:?}", events.lock().expect("is not poisoned"));
        assert!(written.contains("api key"), "{written}");
        assert!(!written.contains("hunter2"), "{written}");
    }

    #[pollster::test]
    async fn a_wrong_key_beside_a_right_one_is_let_in_and_written_down() {
        let (journal, events) = journal();
        let access = access(doorman(), journal);

        let credentials = vec![key("wrong"), key("right")];
        let found = access.identify(&presented(credentials, None)).await;
        assert_eq!(found.expect("is identified").worker, worker("w-1"));
        assert_eq!(audited(&events).len(), 1);
    }

    #[pollster::test]
    async fn an_outage_is_never_a_rejection() {
        let access = access(doorman(), silent());

        for credentials in [vec![key("down")], vec![key("down"), key("wrong")]] {
            let refused = access.identify(&presented(credentials, None)).await;
            assert!(
                matches!(refused, Err(Error::Auth(AuthError::Unavailable(_)))),
                "{refused:?}"
            );
        }
    }

    #[pollster::test]
    async fn a_call_over_the_limit_is_not_let_in() {
        let mut limiter = MockLimiter::new();
        limiter
            .expect_admit()
            .with(eq(worker("w-1")), eq(Demand::call(Class::Poll)))
            .once()
            .returning(|_, _| Err(LimitError::Unavailable("away".into())));
        let access = Access {
            limiter: Arc::new(limiter),
            ..access(MockAuthenticator::new(), silent())
        };

        let refused = access.admit(&caller("w-1"), Class::Poll).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    }

    #[pollster::test]
    async fn an_empty_claim_is_a_true_one() {
        let access = access(MockAuthenticator::new(), silent());

        access.check_claim(&caller("w-1"), None).expect("is true");
        access
            .check_claim(&caller("w-1"), Some(&worker("w-1")))
            .expect("is true");
    }
}
