//! Which adapter is behind each port, as the settings have it.

use std::sync::Arc;

use gateway_adapters::host::reload::Reloadable;
use gateway_adapters::host::{Backend, Config, ResultStore as Choice};
use gateway_adapters::inbound::admin::OperatorSide;
use gateway_adapters::inbound::tls::Acceptor;
#[cfg(feature = "redis")]
use gateway_adapters::outbound::audit::Tee;
use gateway_adapters::outbound::{SystemClock, memory, metered};
use gateway_core::app::{self, Ports};
use gateway_core::domain::identity::Secret;
use gateway_core::domain::task::Patience;
use gateway_core::ports::{AuditLog, Backlog, Clock, ResultStore};
use tokio::sync::watch;

use super::audit::{Audit, Farewell};
use super::database::Database;
use super::remote::Remote;
use super::scrape::{Looks, Seen};
use super::store::{Store, memory_settings};
use super::who::Signed;
use super::{Outcome, limits, redis, tls, who};

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

/// What all adapters are given.
pub(super) struct Common {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) audit: Arc<dyn AuditLog>,
    /// What passes on to others what is audited.
    #[cfg(feature = "redis")]
    pub(super) copies: Arc<Tee>,
}

impl Common {
    fn new(config: &Config, audit: OpenAudit) -> Outcome<(Self, Audit)> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let audit = audit(config, &clock)?;
        let common = Self {
            clock,
            audit: audit.log.clone(),
            #[cfg(feature = "redis")]
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
    let remotes = database.as_ref().map(|it| it.remotes(results.vital));
    let remotes = remotes.into_iter().flatten();
    let backends = store.backends.into_iter().chain(remotes);
    let patience = patience(config);
    let behind = behind(store.what, results.what, who.what, limit.what, audit.what);
    Ok(Plugged {
        gateway: app::Gateway::new(&metered(ports, patience), patience),
        operator_side: store.operator_side,
        farewell: store.farewell,
        backends: backends.collect(),
        looks: looks(store.seen, database.as_ref(), results.backlog),
        tls,
        database,
        reloadables,
        local_key: who.local_key,
        behind,
        audit,
    })
}

fn looks(
    store: Option<Seen>,
    database: Option<&Database>,
    backlog: Option<watch::Receiver<Backlog>>,
) -> Looks {
    let seen = [store, database.map(Database::seen)];
    Looks {
        backends: seen.into_iter().flatten().collect(),
        backlog,
    }
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

fn patience(config: &Config) -> Patience {
    Patience {
        max_deliveries: config.task.max_deliveries,
        max_returns: config.task.max_returns,
    }
}
