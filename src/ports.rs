//! The roles that the outside world plays for us, one trait a file.
//!
//! A trait's documentation is its contract: an adapter keeps every sentence of it, a caller may
//! lean on each. None names a technology, and all are cancel safe: a call whose future is dropped
//! has either happened as a whole or not at all, and nothing it took is lost.

mod attempts;
mod audit_log;
mod authenticator;
mod clock;
mod control_channel;
mod dead_letters;
mod limiter;
mod log_sink;
mod master;
mod nonces;
mod result_feed;
mod result_store;
mod run_owners;
mod runs;
mod signing_keys;
mod spool;
mod task_queue;
mod worker_directory;
mod worker_registry;

/// What lay beneath an outage. It goes to our log and never to a client.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An outage that was told of when it began, and is not told of anew with each call that it fails.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct KnownOutage(pub String);

pub use attempts::{Attempt, Attempts, Throttled};
pub use audit_log::AuditLog;
pub use authenticator::{AuthError, Authenticator, Recall};
pub use clock::Clock;
pub use control_channel::{ControlChannel, ControlError};
pub use dead_letters::DeadLetters;
pub use limiter::{LimitError, Limiter};
pub use log_sink::{ChunkReceipt, LogError, LogSink};
pub use master::{LogPage, Master, MasterError, NumberedLine, QueueView, RunView, WorkerView};
pub use nonces::{Nonces, Room, Spent};
pub use result_feed::{FeedError, ResultFeed};
pub use result_store::{ResultError, ResultStore};
pub use run_owners::{Claim, OwnerError, RunOwners};
pub use runs::Runs;
pub use signing_keys::{SigningKey, SigningKeys};
pub use spool::{Backlog, Spool, SpoolError, Waiting};
pub use task_queue::{QueueError, TaskQueue};
pub use worker_directory::WorkerDirectory;
pub use worker_registry::{RegistryError, WorkerRegistry};

#[cfg(any(test, feature = "mocks"))]
pub use {
    attempts::MockAttempts, audit_log::MockAuditLog, authenticator::MockAuthenticator,
    clock::MockClock, control_channel::MockControlChannel, limiter::MockLimiter,
    log_sink::MockLogSink, nonces::MockNonces, result_feed::MockResultFeed,
    result_store::MockResultStore, run_owners::MockRunOwners, signing_keys::MockSigningKeys,
    spool::MockSpool, task_queue::MockTaskQueue, worker_directory::MockWorkerDirectory,
    worker_registry::MockWorkerRegistry,
};
