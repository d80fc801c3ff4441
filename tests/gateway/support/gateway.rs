use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::inbound::grpc::{self, ServeError};
use gateway_adapters::inbound::tls::Handshake;
use gateway_adapters::inbound::{self, Readiness};
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::app::{self, Ports};
use gateway_core::domain::task::{Patience, Task};
use gateway_core::ports::{Attempts, Authenticator, Clock, Limiter, Master as _};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Worker, said, worker_id};

/// What a test may want otherwise.
pub(crate) struct Options {
    /// The workers that have keys.
    pub(crate) workers: Vec<String>,
    /// Whether callers are believed.
    pub(crate) open: bool,
    /// How often an address may fail.
    pub(crate) attempts: Arc<dyn Attempts>,
    /// Who tells whose credentials are, if not the keys of `workers`.
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    /// Who limits.
    pub(crate) limiter: Arc<dyn Limiter>,
    /// The bounds and leases of the backend.
    pub(crate) memory: memory::Settings,
    /// When a task is given up.
    pub(crate) patience: Patience,
    /// How often the live channel pings.
    pub(crate) ping_interval: Duration,
    /// How long calls in flight get at the end.
    pub(crate) grace: Duration,
    /// What secures connections; without it they are in plain.
    pub(crate) tls: Option<Arc<dyn Handshake>>,
    /// What is plugged in instead of a port's memory adapter.
    pub(crate) replace: fn(&mut Ports),
    /// What the port goes by otherwise.
    pub(crate) adjust: fn(&mut grpc::Settings),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workers: vec!["w-1".into(), "w-2".into()],
            open: false,
            attempts: Arc::new(memory::Attempts::new(100_000)),
            authenticator: None,
            limiter: Arc::new(memory::Unlimited),
            memory: memory::Settings::default(),
            patience: Patience::default(),
            ping_interval: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            tls: None,
            replace: |_| {},
            adjust: |_| {},
        }
    }
}

/// A gateway in this process, on memory adapters and a free port.
pub(crate) struct Gateway {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What stands behind it.
    pub(crate) backend: memory::Backend,
    /// What was written down.
    pub(crate) audit: Arc<memory::AuditLog>,
    stop: CancellationToken,
    served: JoinHandle<Result<(), ServeError>>,
}

impl Gateway {
    /// Starts one with the defaults.
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts one.
    #[expect(
        clippy::unused_async,
        reason = "who starts a gateway is within a runtime"
    )]
    pub(crate) async fn start_with(options: Options) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let backend = memory::Backend::new(&options.memory, &clock);
        let audit = Arc::new(memory::AuditLog::default());
        let mut ports = Ports {
            attempts: options.attempts.clone(),
            audit_log: audit.clone(),
            authenticator: options
                .authenticator
                .clone()
                .unwrap_or_else(|| authenticator(&options)),
            clock,
            control_channel: backend.control_channel.clone(),
            limiter: options.limiter.clone(),
            log_sink: backend.log_sink.clone(),
            result_store: backend.result_store.clone(),
            run_owners: backend.run_owners.clone(),
            task_queue: backend.task_queue.clone(),
            worker_registry: backend.worker_registry.clone(),
        };
        (options.replace)(&mut ports);
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = inbound::listen(here).expect("binds");
        let address = listener.local_addr().expect("has an address");
        let stop = CancellationToken::new();
        let served = tokio::spawn(grpc::serve(
            listener,
            app::Gateway::new(&ports, options.patience),
            settings(&options),
            Readiness::always(),
            stop.clone().cancelled_owned(),
        ));
        Self {
            address,
            backend,
            audit,
            stop,
            served,
        }
    }

    /// A worker with its own connection and the right key.
    pub(crate) fn worker(&self, id: &str) -> Worker {
        Worker::new(self.address, id, Some(&key_of(id)))
    }

    /// Queues a task for a worker.
    pub(crate) async fn enqueue(&self, worker: &str, task: Task) {
        let master = &self.backend.master;
        master
            .enqueue(&worker_id(worker), task)
            .await
            .expect("is queued");
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops it in good order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        said(self.audit.latest());
        let served = self.served.await.expect("does not panic");
        served.expect("ends in good order");
    }
}

/// The key that a test's worker has.
pub(crate) fn key_of(worker: &str) -> String {
    format!("key-of-{worker}")
}

fn authenticator(options: &Options) -> Arc<dyn Authenticator> {
    if options.open {
        return Arc::new(memory::Open);
    }
    let keys = options.workers.iter().map(|id| {
        let digest = Sha256::digest(key_of(id));
        (worker_id(id), digest.into())
    });
    Arc::new(keys.collect::<memory::ApiKeys>())
}

fn settings(options: &Options) -> grpc::Settings {
    let mut settings = grpc::Settings {
        open: options.open,
        heartbeat_interval: options.memory.heartbeat_interval,
        heartbeat_timeout: options.memory.heartbeat_timeout,
        ping_interval: options.ping_interval,
        grace: options.grace,
        tls: options.tls.clone(),
        ..grpc::Settings::default()
    };
    (options.adjust)(&mut settings);
    settings
}
