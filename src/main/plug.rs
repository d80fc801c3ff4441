//! Which adapter is behind each port, as the settings have it.

use std::sync::Arc;

use gateway_adapters::host::reload::Reloadable;
use gateway_adapters::host::{Backend, Config, ResultStore as Choice};
use gateway_adapters::inbound::admin::OperatorSide;
use gateway_adapters::inbound::grpc;
use gateway_adapters::inbound::tls::{Acceptor, Handshake};
#[cfg(feature = "redis")]
use gateway_adapters::outbound;
use gateway_adapters::outbound::audit::Tee;
use gateway_adapters::outbound::{SystemClock, memory, metered};
use gateway_core::app::{self, Ports};
use gateway_core::domain::identity::Secret;
use gateway_core::domain::task::Patience;
use gateway_core::ports::{
    AuditLog, Backlog, Clock, ControlChannel, LogSink, Nonces, ResultStore, RunOwners, TaskQueue,
    WorkerRegistry,
};
#[cfg(feature = "mysql")]
use gateway_core::ports::{ResultFeed, Spool};
use tokio::sync::watch;

use super::audit::{Audit, Farewell};
use super::database::Database;
use super::scrape::{Looks, Seen};
use super::who::Signed;
use super::{Outcome, connections, limits, redis, tls, who};

pub(super) const MEMORY: &str = "memory: nothing outlives the process";

/// What the settings ask for, ready to serve.
pub(super) struct Plugged {
    /// The use cases.
    pub(super) gateway: app::Gateway,
    /// The other side, for the operator's tools.
    pub(super) operator_side: OperatorSide,
    /// What can be away.
    pub(super) backends: Vec<Remote>,
    /// What is looked at when somebody asks for the metrics.
    pub(super) looks: Looks,
    /// What secures the workers' port, if that is asked for.
    pub(super) tls: Option<Arc<Acceptor>>,
    /// The database, if anything is asked of it.
    pub(super) database: Option<Database>,
    /// Where events go.
    pub(super) audit: Audit,
    /// How their copies end.
    pub(super) farewell: Option<Farewell>,
    /// What is read anew without a restart.
    pub(super) reloadables: Vec<Reloadable>,
    /// The key that was made for a developer's own worker.
    pub(super) local_key: Option<Secret>,
    /// What is behind each port.
    pub(super) behind: Vec<(&'static str, &'static str)>,
}

/// A backend that can be away.
pub(super) struct Remote {
    /// What it is called.
    pub(super) name: &'static str,
    /// Why it is away, if it is.
    pub(super) away: Away,
    /// Whether nothing of use can be done without it.
    pub(super) vital: bool,
}

impl Remote {
    /// What stands in the way, if it is away. From here on a change is one from now.
    pub(super) fn obstacle(&mut self) -> Option<String> {
        let reason = self.away.borrow_and_update();
        let reason = reason.as_ref()?;
        Some(format!("{} is away: {reason}", self.name))
    }
}

/// Why something is away, if it is, and whatever changes of it.
pub(super) type Away = watch::Receiver<Option<String>>;

/// Waits until somebody is not away.
pub(super) async fn answers(mut away: Away) {
    // Who is never heard of again is not waited for.
    let _closed = away.wait_for(Option::is_none).await;
}

/// What all adapters are given.
pub(super) struct Common {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) audit: Arc<dyn AuditLog>,
    /// What passes on to others what is audited.
    pub(super) copies: Arc<Tee>,
}

impl Common {
    fn new(config: &Config, audit: OpenAudit) -> Outcome<(Self, Audit)> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let audit = audit(config, &clock)?;
        let common = Self {
            clock,
            audit: audit.log.clone(),
            copies: audit.copies.clone(),
        };
        Ok((common, audit))
    }
}

/// How the audit is opened.
type OpenAudit = fn(&Config, &Arc<dyn Clock>) -> Outcome<Audit>;

/// Picks the adapters. `Config` has refused whatever this build does not have.
pub(super) fn plug(config: &Config, audit: OpenAudit) -> Outcome<Plugged> {
    let (common, audit) = Common::new(config, audit)?;
    let in_memory = memory::Backend::new(&memory_settings(config), &common.clock);
    let here = in_memory.result_store.clone();
    let store = match config.backend {
        Backend::Memory => Store::in_memory(in_memory),
        Backend::Redis => redis::store(config, &common, here.clone())?,
    };
    let database = Database::connect(config)?;
    let results = results(config, &common, &store, database.as_ref(), here)?;
    let limit = limits::limiter(config, &store);
    let signed = Signed {
        nonces: store.nonces.clone(),
        limits: limit.limits,
    };
    let who = who::plug(config, &common, &signed, database.as_ref())?;
    let (tls, mut reloadables) = tls::plug(config, &common)?;
    reloadables.extend(who.reloadables);
    reloadables.push(limit.reloadable);
    let mut backends = store.backends;
    let remotes = database.as_ref().map(|it| it.remotes(results.vital));
    backends.extend(remotes.into_iter().flatten());
    let ports = Ports {
        attempts: who.attempts,
        audit_log: common.audit,
        authenticator: who.authenticator,
        clock: common.clock,
        control_channel: store.control_channel,
        limiter: limit.limiter,
        log_sink: store.log_sink,
        result_store: results.store,
        run_owners: store.run_owners,
        task_queue: store.task_queue,
        worker_registry: store.worker_registry,
    };
    let seen = database.as_ref().map(Database::seen);
    let looks = Looks {
        backends: store.seen.into_iter().chain(seen).collect(),
        backlog: results.backlog,
    };
    let patience = patience(config);
    Ok(Plugged {
        gateway: app::Gateway::new(&metered(ports, patience), patience),
        operator_side: store.operator_side,
        farewell: store.farewell,
        backends,
        looks,
        tls,
        database,
        reloadables,
        local_key: who.local_key,
        behind: behind(store.what, results.what, who.what, limit.what, audit.what),
        audit,
    })
}

/// What is behind each port; most are of one `store`.
fn behind(
    store: &'static str,
    results: &'static str,
    who: &'static str,
    limit: &'static str,
    audit: &'static str,
) -> Vec<(&'static str, &'static str)> {
    vec![
        ("task queue", store),
        ("control channel", store),
        ("log sink", store),
        ("worker registry", store),
        ("run owners", store),
        ("result store", results),
        ("authenticator", who),
        ("limiter", limit),
        ("audit log", audit),
    ]
}

/// Where results go.
pub(super) struct Results {
    pub(super) store: Arc<dyn ResultStore>,
    /// Whether reports are refused while the database is away.
    pub(super) vital: bool,
    /// How many wait for it, where they can.
    pub(super) backlog: Option<watch::Receiver<Backlog>>,
    pub(super) what: &'static str,
}

fn results(
    config: &Config,
    common: &Common,
    store: &Store,
    database: Option<&Database>,
    in_memory: Arc<memory::ResultStore>,
) -> Outcome<Results> {
    match (config.results.store, database, &store.shared) {
        (Choice::Memory, ..) => Ok(Results {
            store: in_memory,
            vital: false,
            backlog: None,
            what: MEMORY,
        }),
        (Choice::Stream, _, Some(shared)) => Ok(Results {
            store: shared.result_stream.clone(),
            vital: false,
            backlog: None,
            what: "Redis: handed on to the Master",
        }),
        (Choice::Mysql, Some(database), shared) => {
            database.results(config, common, shared.as_ref())
        }
        (Choice::Stream | Choice::Mysql, ..) => Err("RESULT_STORE: there is no such store".into()),
    }
}

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
    fn in_memory(backend: memory::Backend) -> Self {
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

fn patience(config: &Config) -> Patience {
    Patience {
        max_deliveries: config.task.max_deliveries,
        max_returns: config.task.max_returns,
    }
}

/// What the workers' port goes by.
pub(super) fn grpc_settings(config: &Config, tls: Option<Arc<Acceptor>>) -> grpc::Settings {
    grpc::Settings {
        open: !config.auth.enabled,
        heartbeat_interval: config.grpc.heartbeat_interval,
        heartbeat_timeout: config.grpc.heartbeat_timeout,
        ping_interval: config.grpc.ping_interval,
        max_concurrent_streams: config.grpc.max_concurrent_streams,
        max_calls: config.grpc.max_calls,
        max_calls_per_worker: config.grpc.max_calls_per_worker,
        max_polls_per_worker: config.grpc.max_polls_per_worker,
        max_bytes: config.grpc.max_bytes,
        max_bytes_per_worker: config.grpc.max_bytes_per_worker,
        credential_cache: config.auth.cache,
        drain_delay: config.grpc.drain_delay,
        grace: config.grpc.shutdown_grace,
        limits: connections::limits(config),
        tls: tls.map(|acceptor| acceptor as Arc<dyn Handshake>),
        reflection: config.connections.reflection,
        ..grpc::Settings::default()
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
