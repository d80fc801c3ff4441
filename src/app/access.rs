mod limits;
mod recall;
mod renew;

use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Error, Journal};
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::id::WorkerId;
use crate::domain::identity::{Caller, Credential, Presented};
use crate::domain::limit::Class;
use crate::ports::{Attempt, Attempts, AuthError, Authenticator, Limiter, Recall, Throttled};

pub(super) use limits::Limited;
pub use recall::Recalled;

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

    /// Takes down that `peer` gets no more connections for a while.
    pub fn note_barred(&self, peer: IpAddr) {
        let nobody = Presented {
            peer: Some(peer),
            ..Presented::default()
        };
        self.note(&nobody, Action::Barred);
    }

    async fn first_valid(&self, presented: &Presented) -> Result<WorkerId, Error> {
        if presented.credentials.is_empty() {
            let counted = self.attempts.say_nothing(presented.peer);
            counted.map_err(|throttled| self.throttled(presented, throttled))?;
            self.note_rejected(presented, vec!["none"]);
        }
        let mut search = Search::new(presented);
        let mut refused = Vec::new();
        for credential in &presented.credentials {
            match self.authenticator.recall(credential) {
                Recall::Good(worker) => {
                    search.good = Some(worker);
                    break;
                }
                Recall::Genuine => search.open.push((credential, true)),
                Recall::Unknown => search.open.push((credential, false)),
                Recall::Refused => refused.push((credential, false)),
            }
        }
        let mut found = self.look_up(&mut search).await;
        if found.is_none() {
            // What was nobody's a moment ago is asked for again if all depends on it, and only then.
            search.open.append(&mut refused);
            found = self.look_up(&mut search).await;
        }
        let Some(worker) = found else {
            self.note_wrong(presented, search.rejected);
            self.count(presented, search.leave, search.failures);
            // A worker that is rejected five times stops for good: while one of its credentials
            // might be valid, it is not.
            return Err(search.unsure.unwrap_or(AuthError::Rejected.into()));
        };
        let remembered = refused.iter().map(|(credential, _)| credential.kind());
        search.rejected.extend(remembered);
        self.note_wrong(search.presented, search.rejected);
        // Whoever proves who it is does not guess.
        search.leave.into_iter().for_each(Attempt::forgive);
        Ok(worker)
    }

    /// Counts what has failed of an attempt that `leave` was given for.
    fn count(&self, presented: &Presented, leave: Option<Attempt>, failures: usize) {
        match leave {
            Some(leave) if failures == 0 => leave.forgive(),
            leave => drop(leave),
        }
        for _ in 1..failures {
            // They were looked up already, so that it makes no difference now.
            let _counted = self.attempts.fail(presented.peer);
        }
    }

    /// The owner of the first credential of `search` that is valid, of those that are open and the
    /// one that is known to be good.
    async fn look_up(&self, search: &mut Search<'_>) -> Option<WorkerId> {
        for (credential, genuine) in mem::take(&mut search.open) {
            match self.owner(search, credential, genuine).await {
                Ok(worker) => return Some(worker),
                Err(Error::Auth(AuthError::Rejected)) => {
                    search.rejected.push(credential.kind());
                }
                Err(other) => search.unsure = search.unsure.take().or(Some(other)),
            }
        }
        search.good.take()
    }

    /// The worker that `credential` belongs to.
    ///
    /// What is known to be good needs no leave, and neither does what is no guess: one who fails
    /// all the time must not stop others that come from the same address.
    async fn owner(
        &self,
        search: &mut Search<'_>,
        credential: &Credential,
        genuine: bool,
    ) -> Result<WorkerId, Error> {
        let presented = search.presented;
        if !genuine && search.leave.is_none() {
            search.leave = Some(self.leave(presented, search.good.is_some()).await?);
        }
        let told = self.authenticator.authenticate(credential).await;
        match (&told, genuine) {
            (Err(AuthError::Rejected), false) => search.failures += 1,
            (Err(AuthError::Rejected), true) => {
                // It was looked up already; but who has failed too often is told no more than that.
                let counted = self.attempts.fail(presented.peer);
                counted.map_err(|throttled| self.throttled(presented, throttled))?;
            }
            _ => {}
        }
        if let (Err(AuthError::Exceeded { .. }), Credential::Signature(by)) = (&told, credential) {
            self.note_limited(&caller(presented, by.worker.clone()), Class::Control);
        }
        Ok(told?)
    }

    /// Leave to look something up. Whoever is good `anyway` does not wait for it.
    async fn leave(&self, presented: &Presented, anyway: bool) -> Result<Attempt, Error> {
        let mut leave = self.attempts.begin(presented.peer);
        let begun = if anyway {
            match leave.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(begun) => begun,
                Poll::Pending => {
                    let busy = "others from its address are looked up";
                    return Err(AuthError::Unavailable(busy.into()).into());
                }
            }
        } else {
            leave.await
        };
        begun.map_err(|throttled| self.throttled(presented, throttled))
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

    /// Takes down which credentials of a call were wrong, if any were.
    fn note_wrong(&self, presented: &Presented, rejected: Vec<&'static str>) {
        if !rejected.is_empty() {
            self.note_rejected(presented, rejected);
        }
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

/// A search for the owner of a call.
struct Search<'a> {
    presented: &'a Presented,
    /// What is to be looked up, and whether it is known to be no guess.
    open: Vec<(&'a Credential, bool)>,
    /// Whose the first credential is that needs no looking up, after all those.
    good: Option<WorkerId>,
    /// The leave to look up, once it was needed.
    leave: Option<Attempt>,
    /// How much has failed that it was for.
    failures: usize,
    /// Of which kinds those are that were wrong.
    rejected: Vec<&'static str>,
    /// Why it cannot be told of one of them whether it is valid.
    unsure: Option<Error>,
}

impl<'a> Search<'a> {
    fn new(presented: &'a Presented) -> Self {
        Self {
            presented,
            open: Vec::new(),
            good: None,
            leave: None,
            failures: 0,
            rejected: Vec::new(),
            unsure: None,
        }
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
