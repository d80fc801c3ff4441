//! What is written down for those who have to find out later.

mod details;

use std::net::IpAddr;

use crate::domain::id::{RunId, WorkerId};
use crate::domain::identity::RequestId;
use crate::domain::limit::Class;
use crate::domain::run::RunStatus;
use crate::domain::time::Timestamp;

pub use details::Details;

/// Something worth remembering: who, from where, what, and when. It holds no secret and no payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it happened.
    pub at: Timestamp,
    /// Who did it, as far as that was proven.
    pub actor: Option<WorkerId>,
    /// Where the call came from.
    pub peer: Option<IpAddr>,
    /// The call that it came with, if it came with one.
    pub request: Option<RequestId>,
    /// What was done.
    pub action: Action,
}

/// What an [`AuditEvent`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Credentials were refused: all of a call that are wrong.
    Rejected {
        /// The kinds of them; `none` if there was none.
        credentials: Vec<&'static str>,
        /// The worker it was said to be of.
        claimed: Option<WorkerId>,
    },
    /// An address has failed too often, and is looked after no further for a while.
    Throttled,
    /// Connections of an address have failed too often before they were open, and it gets none for
    /// a while; said once a minute.
    Barred,
    /// A worker tried to act for another.
    Impersonated {
        /// The other.
        claimed: WorkerId,
    },
    /// A worker reached for something that is another's.
    Trespassed {
        /// What it was: a receipt, a run, a reply.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// A worker's process started.
    Registered,
    /// A worker gave a task back.
    GaveBack {
        /// What it was settled with.
        receipt: String,
    },
    /// A task was given up.
    Buried {
        /// The run that will not be.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// Something in a worker's queue was no task, and is a dead letter now.
    Unreadable {
        /// The name of the entry.
        entry: String,
        /// Why it is none.
        reason: String,
    },
    /// Somebody deleted tasks from under the worker that held them, and nothing is left to run.
    LostPayload {
        /// The names of the entries.
        entries: Vec<String>,
    },
    /// A worker reported another end than the first.
    Conflicted {
        /// The run.
        run: RunId,
        /// How it had ended.
        ended: RunStatus,
        /// How it was now said to have ended.
        reported: RunStatus,
    },
    /// A worker reported a run that there is not.
    UnknownRun {
        /// What it called the run.
        run: RunId,
    },
    /// A result waits in the spool, as the store is away.
    Spooled {
        /// The run.
        run: RunId,
    },
    /// A result can never be written, and is a dead letter now.
    ResultBuried {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// A worker asked more than it may; said once a minute.
    Limited {
        /// Of what.
        class: Class,
    },
    /// An operator did something through the operator's port.
    Administered {
        /// What: `enqueue`, `control`, `requeue`, `discard`.
        what: &'static str,
        /// What it was done to.
        subject: String,
        /// Why it did not come to it, if it did not.
        failure: Option<String>,
    },
    /// An operator made, changed or ended a worker's key.
    KeyChanged {
        /// What: `create`, `rotate`, `revoke`.
        what: &'static str,
        /// The number of the key, never the key.
        key: i64,
        /// Whose it is, where that was said.
        worker: Option<WorkerId>,
    },
    /// The like happened so often that it was only counted.
    Repeated {
        /// What was done the last time.
        last: Box<Action>,
        /// How often.
        times: u64,
    },
    /// Files that are in force were read anew: certificates, keys, limits.
    Reloaded {
        /// What was read.
        what: &'static str,
        /// Why what was read before stays in force, if it does.
        failure: Option<String>,
    },
}

/// How something that was tried came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Accepted,
    /// It was not allowed.
    Refused,
    /// It was allowed, and did not come to it.
    Failed,
}

impl Outcome {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Action {
    /// Its name, for those who filter.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::Throttled => "throttled",
            Self::Barred => "barred",
            Self::Impersonated { .. } => "impersonated",
            Self::Trespassed { .. } => "trespassed",
            Self::Registered => "registered",
            Self::GaveBack { .. } => "gave_back",
            Self::Buried { .. } => "buried",
            Self::Unreadable { .. } => "unreadable",
            Self::LostPayload { .. } => "lost_payload",
            Self::Conflicted { .. } => "conflicted",
            Self::UnknownRun { .. } => "unknown_run",
            Self::Spooled { .. } => "spooled",
            Self::ResultBuried { .. } => "result_buried",
            Self::Limited { .. } => "limited",
            Self::Administered { .. } => "administered",
            Self::KeyChanged { .. } => "key_changed",
            Self::Reloaded { .. } => "reloaded",
            Self::Repeated { last, .. } => last.name(),
        }
    }

    /// How it came out for the one who tried.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Rejected { .. }
            | Self::Impersonated { .. }
            | Self::Trespassed { .. }
            | Self::Conflicted { .. }
            | Self::UnknownRun { .. }
            | Self::Limited { .. }
            | Self::Throttled
            | Self::Barred => Outcome::Refused,
            Self::Administered { failure, .. } | Self::Reloaded { failure, .. }
                if failure.is_some() =>
            {
                Outcome::Failed
            }
            Self::Buried { .. }
            | Self::Unreadable { .. }
            | Self::LostPayload { .. }
            | Self::ResultBuried { .. } => Outcome::Failed,
            Self::Registered
            | Self::GaveBack { .. }
            | Self::Spooled { .. }
            | Self::Administered { .. }
            | Self::KeyChanged { .. }
            | Self::Reloaded { .. } => Outcome::Accepted,
            Self::Repeated { last, .. } => last.outcome(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_filters_can_rely_on_the_names() {
        let rejected = Action::Rejected {
            credentials: vec!["none"],
            claimed: None,
        };
        let gave_back = Action::GaveBack {
            receipt: String::new(),
        };
        assert_eq!(rejected.name(), "rejected");
        let repeated = Action::Repeated {
            last: Box::new(rejected),
            times: 7,
        };
        assert_eq!(repeated.name(), "rejected");
        assert_eq!(repeated.outcome(), Outcome::Refused);
        assert_eq!(repeated.details().times, Some(7));
        assert_eq!(repeated.details().subject.as_deref(), Some("none"));
        assert_eq!(gave_back.name(), "gave_back");
        assert_eq!(Action::Registered.name(), "registered");
    }
}
