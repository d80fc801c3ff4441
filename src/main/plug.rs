//! Which adapter is behind each port, as the settings have it.

use std::error::Error;
use std::fs;
use std::sync::Arc;

use gateway_adapters::host::{Backend, Config};
use gateway_adapters::inbound::admin::OperatorSide;
use gateway_adapters::inbound::grpc;
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::app::{self, Ports};
use gateway_core::domain::identity::Secret;
use gateway_core::domain::task::Patience;
use gateway_core::ports::{
    AuditLog, Authenticator, Clock, ControlChannel, Limiter, LogSink, RunOwners, TaskQueue,
    WorkerRegistry,
};
use tokio::sync::watch;

use super::{Outcome, redis};

const MEMORY: &str = "memory: nothing outlives the process";

/// What the settings ask for, ready to serve.
pub(super) struct Plugged {
    /// The use cases.
    pub(super) gateway: app::Gateway,
    /// The other side, for the operator's tools.
    pub(super) operator_side: OperatorSide,
    /// Why the backend is away, if it is; none, if it cannot be.
    pub(super) away: Option<watch::Receiver<Option<String>>>,
    /// The key that was made for a developer's own worker.
    pub(super) local_key: Option<Secret>,
    /// What is behind each port.
    pub(super) behind: Vec<(&'static str, &'static str)>,
}

/// Picks the adapters. `Config` has refused whatever this build does not have.
pub(super) fn plug(config: &Config) -> Outcome<Plugged> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let audit_log: Arc<dyn AuditLog> = Arc::new(memory::AuditLog::default());
    let in_memory = memory::Backend::new(&memory_settings(config), &clock);
    let result_store = in_memory.result_store.clone();
    let store = match config.backend {
        Backend::Memory => Store::in_memory(in_memory),
        Backend::Redis => redis::store(config, &clock, &audit_log, result_store.clone())?,
    };
    let (authenticator, local_key, who) = authenticator(config)?;
    let (limiter, limit) = limiter(config)?;
    let ports = Ports {
        audit_log,
        authenticator,
        clock,
        control_channel: store.control_channel,
        limiter,
        log_sink: store.log_sink,
        result_store,
        run_owners: store.run_owners,
        task_queue: store.task_queue,
        worker_registry: store.worker_registry,
    };
    let patience = Patience {
        max_deliveries: config.task.max_deliveries,
        max_returns: config.task.max_returns,
    };
    Ok(Plugged {
        gateway: app::Gateway::new(&ports, patience),
        operator_side: store.operator_side,
        away: store.away,
        local_key,
        behind: vec![
            ("task queue", store.what),
            ("control channel", store.what),
            ("log sink", store.what),
            ("worker registry", store.what),
            ("run owners", store.what),
            ("result store", MEMORY),
            ("authenticator", who),
            ("limiter", limit),
            ("audit log", "the log, target audit"),
        ],
    })
}

/// Where tasks, commands, logs and heartbeats are.
pub(super) struct Store {
    pub(super) control_channel: Arc<dyn ControlChannel>,
    pub(super) log_sink: Arc<dyn LogSink>,
    pub(super) run_owners: Arc<dyn RunOwners>,
    pub(super) task_queue: Arc<dyn TaskQueue>,
    pub(super) worker_registry: Arc<dyn WorkerRegistry>,
    pub(super) operator_side: OperatorSide,
    pub(super) away: Option<watch::Receiver<Option<String>>>,
    pub(super) what: &'static str,
}

impl Store {
    fn in_memory(backend: memory::Backend) -> Self {
        Self {
            control_channel: backend.control_channel,
            log_sink: backend.log_sink,
            run_owners: backend.run_owners,
            task_queue: backend.task_queue,
            worker_registry: backend.worker_registry,
            operator_side: (backend.master, backend.dead_letters),
            away: None,
            what: MEMORY,
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

type Who = (Arc<dyn Authenticator>, Option<Secret>, &'static str);

fn authenticator(config: &Config) -> Outcome<Who> {
    if !config.auth.enabled {
        return Ok((Arc::new(memory::Open), None, "none: callers are believed"));
    }
    if let Some(file) = &config.auth.api_keys {
        let named = |error: &dyn Error| format!("API_KEYS_FILE={}: {error}", file.display());
        let text = fs::read_to_string(file).map_err(|error| named(&error))?;
        let keys = memory::ApiKeys::parse(&text).map_err(|error| named(&error))?;
        return Ok((Arc::new(keys), None, "API keys of API_KEYS_FILE"));
    }
    let (keys, key) = memory::ApiKeys::local();
    Ok((
        Arc::new(keys),
        Some(key),
        "one API key, made for worker local",
    ))
}

fn limiter(config: &Config) -> Outcome<(Arc<dyn Limiter>, &'static str)> {
    let limit = &config.limit;
    if !limit.enabled {
        return Ok((Arc::new(memory::Unlimited), "none: workers are not limited"));
    }
    let workers = config.memory.max_workers;
    let limiter = memory::Limiter::new(limit.rate_per_second, limit.capacity, workers)?;
    Ok((Arc::new(limiter), "memory: a token bucket a worker"))
}

/// What the workers' port goes by.
pub(super) fn grpc_settings(config: &Config) -> grpc::Settings {
    grpc::Settings {
        open: !config.auth.enabled,
        heartbeat_interval: config.grpc.heartbeat_interval,
        heartbeat_timeout: config.grpc.heartbeat_timeout,
        ping_interval: config.grpc.ping_interval,
        max_concurrent_streams: config.grpc.max_concurrent_streams,
        grace: config.grpc.shutdown_grace,
    }
}

fn memory_settings(config: &Config) -> memory::Settings {
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
