//! Queue, control, logs and heartbeats in Redis, on the keys that the Master shares with us.
//!
//! Nothing that matters lives in this process: any number of gateways share the load, and a worker
//! may take a task from one and settle it at another. What must happen as a whole is one Lua
//! script on the keys of one slot, so that it does on a cluster, too; and each script can be run
//! again with the same arguments, so that a lost answer costs nothing.
//!
//! - `keys`: every name. `link`: the connections. `script`, `reply`: what goes out and comes back.
//! - `doorbell`, `waiting`: how polls wait without asking.
//! - `reports`: the streams that results go into.
//! - one file, or folder, for each port.

mod audit_stream;
mod control_channel;
mod dead_letters;
mod doorbell;
mod entry_id;
#[cfg(test)]
mod fuzz;
mod keys;
mod limiter;
mod link;
mod log_sink;
mod master;
mod nonces;
mod receipt;
mod reply;
mod reports;
mod result_feed;
mod result_stream;
mod run_owners;
mod script;
mod spool;
mod task_queue;
mod time;
mod waiting;
mod worker_registry;

use std::sync::Arc;
use std::time::Duration;

use gateway_core::domain::limit::Limits;
use gateway_core::ports::{self, AuditLog, Clock, Runs};
use tokio::sync::watch;

pub use self::audit_stream::AuditStream;
pub use self::control_channel::ControlChannel;
pub use self::dead_letters::DeadLetters;
pub use self::limiter::Limiter;
pub use self::link::{Address, AddressError, Settings as LinkSettings, TlsFiles};
pub use self::log_sink::LogSink;
pub use self::master::Master;
pub use self::nonces::Nonces;
pub use self::result_feed::ResultFeed;
pub use self::result_stream::ResultStream;
pub use self::run_owners::RunOwners;
pub use self::spool::Spool;
pub use self::task_queue::TaskQueue;
pub use self::worker_registry::WorkerRegistry;

use self::doorbell::Doorbell;
use self::keys::Keys;
use self::link::Link;

/// Where Redis is, how much of it is used, and how long one waits for a worker.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The connections.
    pub link: LinkSettings,
    /// What every key begins with.
    pub namespace: String,
    /// How often workers are told to send a sign of life.
    pub heartbeat_interval: Duration,
    /// How long a worker may be silent until it counts as gone.
    pub heartbeat_timeout: Duration,
    /// What a worker is given beyond its task's own timeout.
    pub lease_grace: Duration,
    /// How long a worker may take to settle a command before it is told again.
    pub command_lease: Duration,
    /// How long a worker may take to reply to a request.
    pub reply_timeout: Duration,
    /// Dead letters that are kept, about.
    pub max_dead: u64,
    /// Lines kept of one run, about, and for how long after the last.
    pub log_lines: Kept,
    /// Pieces of log files kept of one run, about, and for how long after the last.
    pub log_chunks: Kept,
}

/// How much of a stream is kept.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Entries, about.
    pub max: u64,
    /// From the last entry on.
    pub ttl: Duration,
}

/// The adapters, on one set of connections.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port of the same name")]
pub struct Backend {
    pub control_channel: Arc<ControlChannel>,
    pub dead_letters: Arc<DeadLetters>,
    pub log_sink: Arc<LogSink>,
    pub master: Arc<Master>,
    pub nonces: Arc<Nonces>,
    pub result_feed: Arc<ResultFeed>,
    pub result_stream: Arc<ResultStream>,
    pub run_owners: Arc<RunOwners>,
    pub spool: Arc<Spool>,
    pub task_queue: Arc<TaskQueue>,
    pub worker_registry: Arc<WorkerRegistry>,
    shared: Shared,
}

impl Backend {
    /// Makes them, and begins to connect. Redis need not be there yet. It must be called on a
    /// runtime. `runs` is who knows what became of runs, where somebody does.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if Redis cannot be found by what the settings say.
    pub fn connect(
        settings: Settings,
        clock: Arc<dyn Clock>,
        audit_log: Arc<dyn AuditLog>,
        runs: Option<Arc<dyn Runs>>,
    ) -> Result<Self, AddressError> {
        let link = Link::open(&settings.link)?;
        let keys = Keys::new(&settings.namespace);
        let known = run_owners::Known::default();
        let moved = known.clone();
        let doorbell = Doorbell::hang(&link, &keys, move |run| moved.forget(run));
        let shared = Shared {
            link,
            keys,
            doorbell,
            clock,
            audit_log,
            settings: Arc::new(settings),
        };
        let control_channel = Arc::new(ControlChannel::new(&shared));
        let run_owners = Arc::new(RunOwners::new(&shared, known.clone()));
        Ok(Self {
            control_channel: control_channel.clone(),
            dead_letters: Arc::new(DeadLetters::new(&shared)),
            log_sink: Arc::new(LogSink::new(&shared)),
            master: Arc::new(Master::new(
                &shared,
                runs,
                control_channel,
                run_owners.clone(),
            )),
            nonces: Arc::new(Nonces::new(&shared)),
            result_feed: Arc::new(ResultFeed::new(&shared)),
            result_stream: Arc::new(ResultStream::new(&shared)),
            run_owners,
            spool: Arc::new(Spool::new(&shared)),
            task_queue: Arc::new(TaskQueue::new(&shared, known)),
            worker_registry: Arc::new(WorkerRegistry::new(&shared)),
            shared,
        })
    }

    /// Somebody who keeps each worker within `limits` at all gateways together; while Redis gives no
    /// answer, `alone` does at this one.
    pub fn limiter(
        &self,
        limits: watch::Receiver<Option<Limits>>,
        alone: Arc<dyn ports::Limiter>,
    ) -> Limiter {
        Limiter::new(
            self.shared.link.clone(),
            self.shared.keys.clone(),
            limits,
            alone,
        )
    }

    /// Why Redis is away, if it is, and whatever changes of it.
    pub fn away(&self) -> watch::Receiver<Option<String>> {
        self.shared.link.away()
    }

    /// How many connections for ordinary commands are open.
    pub fn connections(&self) -> u32 {
        self.shared.link.connections()
    }
}

/// What all adapters here need.
#[derive(Clone)]
struct Shared {
    link: Link,
    keys: Keys,
    doorbell: Doorbell,
    clock: Arc<dyn Clock>,
    audit_log: Arc<dyn AuditLog>,
    settings: Arc<Settings>,
}
