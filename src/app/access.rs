mod limits;

use std::sync::Arc;

use super::{Error, Journal};
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::id::WorkerId;
use crate::domain::identity::{Caller, Credential, Presented};
use crate::domain::limit::Class;
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
        let caller = caller(presented, worker);
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
            self.note_rejected(presented, None);
        }
        let mut unsure = None;
        for credential in &presented.credentials {
            match self.owner(presented, credential).await {
                Ok(worker) => return Ok(worker),
                Err(Error::Auth(AuthError::Rejected)) => {
                    self.note_rejected(presented, Some(credential));
                }
                Err(other) => unsure = unsure.or(Some(other)),
            }
        }
        // A worker that is rejected five times stops for good: while one of its credentials might
        // be valid, it is not.
        Err(unsure.unwrap_or(AuthError::Rejected.into()))
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
                // It was looked up already; but who has failed too often is told no more than that.
                let counted = self.attempts.fail(presented.peer);
                counted.map_err(|throttled| self.throttled(presented, throttled))?;
            }
            (_, Some(attempt)) => attempt.forgive(),
            (_, None) => {}
        }
        if let (Err(AuthError::Exceeded { .. }), Credential::Signature(by)) = (&told, credential) {
            self.note_limited(&caller(presented, by.worker.clone()), Class::Control);
        }
        Ok(told?)
    }

    fn throttled(&self, presented: &Presented, throttled: Throttled) -> Error {
        if throttled.newly {
            self.note(presented, Action::Throttled);
        }
        throttled.into()
    }

    fn note_rejected(&self, presented: &Presented, credential: Option<&Credential>) {
        let action = Action::Rejected {
            credential: credential.map_or("none", Credential::kind),
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

fn caller(presented: &Presented, worker: WorkerId) -> Caller {
    Caller {
        worker,
        peer: presented.peer,
        request: presented.request.clone(),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod throttling;
