//! Where tasks, commands, logs and heartbeats are: in this process, or in Redis.

use std::sync::Arc;

use gateway_adapters::host::{Backend, Config};
use gateway_adapters::inbound::admin::OperatorSide;
#[cfg(feature = "redis")]
use gateway_adapters::outbound;
use gateway_adapters::outbound::memory;
use gateway_core::ports::{
    ControlChannel, LogSink, Nonces, ResultStore, RunOwners, TaskQueue, WorkerRegistry,
};
#[cfg(feature = "mysql")]
use gateway_core::ports::{ResultFeed, Spool};

use super::audit::Farewell;
use super::plug::MEMORY;
use super::remote::Remote;
use super::scrape::Seen;
use super::{Outcome, redis};

/// Where tasks, commands, logs and heartbeats are.
pub(super) struct Store {
    pub(super) control_channel: Arc<dyn ControlChannel>,
    pub(super) log_sink: Arc<dyn LogSink>,
    pub(super) nonces: Arc<dyn Nonces>,
    pub(super) run_owners: Arc<dyn RunOwners>,
    pub(super) task_queue: Arc<dyn TaskQueue>,
    pub(super) worker_registry: Arc<dyn WorkerRegistry>,
    pub(super) operator_side: OperatorSide,
    /// What results need that others share, if anything is shared.
    pub(super) shared: Option<Shared>,
    pub(super) backends: Vec<Remote>,
    /// How the copy of the audit that is there ends.
    pub(super) farewell: Option<Farewell>,
    /// The backend, as the metrics have it.
    pub(super) seen: Option<Seen>,
    pub(super) what: &'static str,
    /// Redis itself, where it is there.
    #[cfg(feature = "redis")]
    pub(super) redis: Option<outbound::redis::Backend>,
}

/// Where results can wait, or be handed on.
pub(super) struct Shared {
    #[cfg(feature = "mysql")]
    pub(super) result_feed: Arc<dyn ResultFeed>,
    pub(super) result_stream: Arc<dyn ResultStore>,
    #[cfg(feature = "mysql")]
    pub(super) spool: Arc<dyn Spool>,
}

impl Store {
    pub(super) fn in_memory(backend: memory::Backend) -> Self {
        Self {
            control_channel: backend.control_channel,
            log_sink: backend.log_sink,
            nonces: Arc::new(memory::Nonces::default()),
            run_owners: backend.run_owners,
            task_queue: backend.task_queue,
            worker_registry: backend.worker_registry,
            operator_side: (backend.master, backend.dead_letters),
            shared: None,
            backends: Vec::new(),
            farewell: None,
            seen: None,
            what: MEMORY,
            #[cfg(feature = "redis")]
            redis: None,
        }
    }
}

/// The other side of a backend that outlives the gateway, for a tool that speaks to it by itself;
/// none if it is within the gateway's process.
pub(super) async fn operator_side(config: &Config) -> Outcome<Option<OperatorSide>> {
    match config.backend {
        Backend::Memory => Ok(None),
        Backend::Redis => redis::operator_side(config).await.map(Some),
    }
}

pub(super) fn memory_settings(config: &Config) -> memory::Settings {
    memory::Settings {
        max_tasks: config.memory.max_tasks,
        max_runs: config.memory.max_runs,
        max_workers: config.memory.max_workers,
        log_lines_per_run: config.memory.log_lines_per_run,
        log_bytes: config.memory.log_bytes,
        chunk_bytes: config.memory.chunk_bytes,
        result_bytes: config.memory.result_bytes,
        heartbeat_interval: config.grpc.heartbeat_interval,
        heartbeat_timeout: config.grpc.heartbeat_timeout,
        lease_grace: config.task.lease_grace,
        // On Redis nobody tells us of a run before its worker does.
        adopt_runs: config.backend == Backend::Redis,
        ..memory::Settings::default()
    }
}
