use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::inbound::Readiness;
use gateway_adapters::inbound::grpc::{self, ServeError};
use gateway_adapters::outbound::redis::{Address, Backend, Kept, LinkSettings, Settings};
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::app::{self, Ports};
use gateway_core::domain::task::Patience;
use gateway_core::ports::{AuditLog, Clock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Worker;

/// A gateway in this process, on Redis and a free port. It believes its callers, and waits for
/// nobody for long.
pub(crate) struct OnRedis {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What stands behind it.
    pub(crate) backend: Backend,
    /// What was written down.
    pub(crate) audit: Arc<memory::AuditLog>,
    stop: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

impl OnRedis {
    /// Starts one, and waits until Redis answers it.
    pub(crate) async fn start(url: &str, namespace: &str) -> Self {
        let gateway = Self::start_without(url, namespace).await;
        gateway.wait_for_redis().await;
        gateway
    }

    /// Starts one though Redis may not be there.
    pub(crate) async fn start_without(url: &str, namespace: &str) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let latest = Arc::new(memory::AuditLog::default());
        let audit: Arc<dyn AuditLog> = latest.clone();
        let here = memory::Settings {
            adopt_runs: true,
            ..memory::Settings::default()
        };
        let results = memory::Backend::new(&here, &clock).result_store;
        let settings = settings(url, namespace);
        let backend = Backend::connect(settings, clock.clone(), audit.clone(), None);
        let backend = backend.expect("has an address");
        let ports = Ports {
            attempts: Arc::new(memory::Attempts::new(10)),
            audit_log: audit,
            authenticator: Arc::new(memory::Open),
            clock,
            control_channel: backend.control_channel.clone(),
            limiter: Arc::new(memory::Unlimited),
            log_sink: backend.log_sink.clone(),
            result_store: results,
            run_owners: backend.run_owners.clone(),
            task_queue: backend.task_queue.clone(),
            worker_registry: backend.worker_registry.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address");
        let stop = CancellationToken::new();
        let served = tokio::spawn(grpc::serve(
            listener,
            app::Gateway::new(&ports, Patience::default()),
            grpc::Settings {
                open: true,
                ..grpc::Settings::default()
            },
            Readiness::always(),
            stop.clone().cancelled_owned(),
        ));
        Self {
            address,
            backend,
            audit: latest,
            stop,
            served,
        }
    }

    /// Waits until Redis answers.
    pub(crate) async fn wait_for_redis(&self) {
        let mut away = self.backend.away();
        let answers = away.wait_for(Option::is_none).await;
        answers.expect("lives as long as the backend");
    }

    /// Waits until Redis is known to be away.
    pub(crate) async fn wait_for_outage(&self) {
        let mut away = self.backend.away();
        let noticed = away.wait_for(Option::is_some).await;
        noticed.expect("lives as long as the backend");
    }

    /// A worker with its own connection.
    pub(crate) fn worker(&self, id: &str) -> Worker {
        Worker::new(self.address, id, None)
    }

    /// Stops it in good order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let served = self.served.await.expect("does not panic");
        served.expect("ends in good order");
    }
}

fn settings(url: &str, namespace: &str) -> Settings {
    let kept = Kept {
        max: 1_000_000,
        ttl: Duration::from_mins(10),
    };
    Settings {
        link: LinkSettings {
            address: Address::plain(url),
            pool_size: 8,
            command_timeout: Duration::from_secs(2),
        },
        namespace: namespace.to_owned(),
        heartbeat_interval: Duration::from_millis(200),
        heartbeat_timeout: Duration::from_secs(2),
        lease_grace: Duration::from_secs(1),
        command_lease: Duration::from_secs(1),
        reply_timeout: Duration::from_mins(1),
        max_dead: 10_000,
        log_lines: kept,
        log_chunks: kept,
    }
}
