//! The adapters on Redis, as the settings have it.

use std::sync::Arc;

use gateway_adapters::host::Config;
use gateway_adapters::inbound::admin::OperatorSide;
use gateway_adapters::outbound::memory::ResultStore;
#[cfg(feature = "redis")]
use gateway_adapters::outbound::{
    SystemClock, audit::Tee, memory::AuditLog as AuditLogInLog, redis,
};
#[cfg(feature = "redis")]
use gateway_core::ports::Runs;

use super::Outcome;
#[cfg(feature = "redis")]
use super::audit::Farewell;
#[cfg(feature = "redis")]
use super::breakers::Breakers;
use super::plug::Common;
#[cfg(feature = "redis")]
use super::scrape::Seen;
use super::store::Store;
#[cfg(feature = "redis")]
use super::{remote::Remote, store::Shared};

/// Begins to connect to Redis. `results` is where its tools look for what became of runs.
#[cfg(feature = "redis")]
pub(super) fn store(config: &Config, common: &Common, results: Arc<ResultStore>) -> Outcome<Store> {
    let runs = config.admin.serves_api().then_some(results);
    let runs = runs.map(|runs| runs as Arc<dyn Runs>);
    let backend = connect(config, common, runs)?;
    let redis = backend.clone();
    let farewell = config.audit.stream.map(|max| -> Farewell {
        let stream = backend.audit_stream(max);
        common.copies.and(stream.clone());
        Box::pin(async move { stream.close().await })
    });
    let away = backend.away();
    let mut breakers = Breakers::new(config.breaker.slow, away.clone());
    let result_stream = breakers.before(backend.result_stream, "result stream", false);
    let control_channel = breakers.before(backend.control_channel, "control channel", false);
    let log_sink = breakers.before(backend.log_sink, "log sink", false);
    let run_owners = breakers.before(backend.run_owners, "run owners", false);
    let task_queue = breakers.before(backend.task_queue, "task queue", true);
    let worker_registry = breakers.before(backend.worker_registry, "worker registry", false);
    let mut backends = breakers.made();
    backends.push(Remote {
        name: "Redis",
        away: away.clone(),
        vital: true,
    });
    let connected = redis.clone();
    Ok(Store {
        redis: Some(redis),
        farewell,
        backends,
        seen: Some(Seen {
            name: "redis",
            away,
            connections: Box::new(move || vec![("open", connected.connections())]),
        }),
        shared: Some(Shared {
            #[cfg(feature = "mysql")]
            result_feed: backend.result_feed,
            result_stream,
            #[cfg(feature = "mysql")]
            spool: backend.spool,
        }),
        control_channel,
        log_sink,
        nonces: backend.nonces,
        run_owners,
        task_queue,
        worker_registry,
        operator_side: (backend.master, backend.dead_letters),
        what: "Redis",
    })
}

/// The operator's side alone, once Redis answers.
#[cfg(feature = "redis")]
pub(super) async fn operator_side(config: &Config) -> Outcome<OperatorSide> {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

    let log = Arc::new(AuditLogInLog::default());
    let common = Common {
        clock: Arc::new(SystemClock),
        copies: Arc::new(Tee::new(log.clone())),
        audit: log,
    };
    let backend = connect(config, &common, None)?;
    let mut away = backend.away();
    let answers = tokio::time::timeout(PATIENCE, away.wait_for(Option::is_none)).await;
    if answers.is_err() {
        let reason = backend.away().borrow().clone().unwrap_or_default();
        return Err(format!("REDIS_URL={}: {reason}", config.redis.url).into());
    }
    Ok((backend.master, backend.dead_letters))
}

#[cfg(feature = "redis")]
fn connect(
    config: &Config,
    common: &Common,
    runs: Option<Arc<dyn Runs>>,
) -> Outcome<redis::Backend> {
    let (clock, audit_log) = (common.clock.clone(), common.audit.clone());
    let connected = redis::Backend::connect(settings(config), clock, audit_log, runs);
    Ok(connected.map_err(|error| format!("REDIS_URL={}: {error}", config.redis.url))?)
}

/// Settings that ask for Redis were refused before.
#[cfg(not(feature = "redis"))]
pub(super) fn operator_side(_config: &Config) -> std::future::Ready<Outcome<OperatorSide>> {
    std::future::ready(Err(LEFT_OUT.into()))
}

/// Settings that ask for Redis were refused before.
#[cfg(not(feature = "redis"))]
pub(super) fn store(
    _config: &Config,
    _common: &Common,
    _results: Arc<ResultStore>,
) -> Outcome<Store> {
    Err(LEFT_OUT.into())
}

#[cfg(not(feature = "redis"))]
const LEFT_OUT: &str = "this program was built without the feature redis";

#[cfg(feature = "redis")]
fn settings(config: &Config) -> redis::Settings {
    use std::time::Duration;

    use gateway_core::domain::identity::Secret;
    use redis::{Address, Kept, LinkSettings, Settings, TlsFiles};

    let redis = &config.redis;
    let logs = &config.log_streams;
    Settings {
        link: LinkSettings {
            address: Address {
                url: Secret::new(redis.url.expose()),
                tls: TlsFiles {
                    ca: redis.tls.ca.clone(),
                    client: redis.tls.client.clone(),
                },
            },
            pool_size: redis.pool_size,
            command_timeout: redis.command_timeout,
        },
        namespace: redis.namespace.clone(),
        heartbeat_interval: config.grpc.heartbeat_interval,
        heartbeat_timeout: config.grpc.heartbeat_timeout,
        lease_grace: config.task.lease_grace,
        command_lease: Duration::from_mins(1),
        reply_timeout: Duration::from_hours(1),
        max_dead: redis.max_dead,
        log_lines: Kept {
            max: logs.max_lines,
            ttl: logs.line_ttl,
        },
        log_chunks: Kept {
            max: logs.max_chunks,
            ttl: logs.chunk_ttl,
        },
    }
}
