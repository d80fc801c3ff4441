//! The use cases: what the gateway does for those who call it.
//!
//! Each is a struct of ports, and each method reads as the sentence in its documentation. Who
//! calls was settled by [`Access`] before; a method is handed a
//! [`Caller`] and believes nothing else about who asks.

mod access;
mod certificates;
mod control;
mod error;
mod logs;
mod results;
mod signatures;
mod tasks;
mod workers;

pub use access::{Access, Recalled};
pub use certificates::Certificates;
pub use control::Control;
pub use error::Error;
pub use logs::Logs;
pub use results::Results;
pub use signatures::Signatures;
pub use tasks::Tasks;
pub use workers::Workers;

use std::sync::Arc;

use crate::domain::audit::{Action, AuditEvent};
use crate::domain::identity::Caller;
use crate::domain::task::Patience;
use crate::ports::{
    Attempts, AuditLog, Authenticator, Clock, ControlChannel, Limiter, LogSink, ResultStore,
    RunOwners, TaskQueue, WorkerRegistry,
};

/// An adapter for every role.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port of the same name")]
pub struct Ports {
    pub attempts: Arc<dyn Attempts>,
    pub audit_log: Arc<dyn AuditLog>,
    pub authenticator: Arc<dyn Authenticator>,
    pub clock: Arc<dyn Clock>,
    pub control_channel: Arc<dyn ControlChannel>,
    pub limiter: Arc<dyn Limiter>,
    pub log_sink: Arc<dyn LogSink>,
    pub result_store: Arc<dyn ResultStore>,
    pub run_owners: Arc<dyn RunOwners>,
    pub task_queue: Arc<dyn TaskQueue>,
    pub worker_registry: Arc<dyn WorkerRegistry>,
}

/// All the use cases together, and the clock they go by: the gateway, but for the way in.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is what its type says")]
pub struct Gateway {
    pub access: Arc<Access>,
    pub clock: Arc<dyn Clock>,
    pub control: Arc<Control>,
    pub logs: Arc<Logs>,
    pub results: Arc<Results>,
    pub tasks: Arc<Tasks>,
    pub workers: Arc<Workers>,
}

impl Gateway {
    /// Plugs the adapters in.
    pub fn new(ports: &Ports, patience: Patience) -> Self {
        let journal = Journal {
            log: ports.audit_log.clone(),
            clock: ports.clock.clone(),
        };
        Self {
            access: Arc::new(Access {
                attempts: ports.attempts.clone(),
                authenticator: ports.authenticator.clone(),
                limiter: ports.limiter.clone(),
                limited: access::Limited::default(),
                journal: journal.clone(),
            }),
            clock: ports.clock.clone(),
            control: Arc::new(Control {
                channel: ports.control_channel.clone(),
                journal: journal.clone(),
            }),
            logs: Arc::new(Logs {
                sink: ports.log_sink.clone(),
                owners: ports.run_owners.clone(),
                journal: journal.clone(),
            }),
            results: Arc::new(Results {
                store: ports.result_store.clone(),
                owners: ports.run_owners.clone(),
                queue: ports.task_queue.clone(),
                journal: journal.clone(),
            }),
            tasks: Arc::new(Tasks {
                queue: ports.task_queue.clone(),
                owners: ports.run_owners.clone(),
                results: ports.result_store.clone(),
                patience,
                journal: journal.clone(),
            }),
            workers: Arc::new(Workers {
                registry: ports.worker_registry.clone(),
                channel: ports.control_channel.clone(),
                queue: ports.task_queue.clone(),
                journal,
            }),
        }
    }
}

/// The audit log, with the time at hand.
#[derive(Clone)]
struct Journal {
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn Clock>,
}

impl Journal {
    /// Takes down what `caller` did.
    fn note(&self, caller: &Caller, action: Action) {
        self.log.record(AuditEvent {
            at: self.clock.now(),
            actor: Some(caller.worker.clone()),
            peer: caller.peer,
            request: caller.request.clone(),
            action,
        });
    }

    /// Takes down that `caller` reached for `what`, if `error` says that it is another's.
    fn note_trespass(&self, caller: &Caller, error: &Error) {
        if let Some((what, id)) = error.trespass() {
            self.note(caller, Action::Trespassed { what, id });
        }
    }
}

#[cfg(test)]
mod testing;
