//! The adapters on Redis, put to the test: on one server, and on a cluster of six.

mod controls;
mod limiters;
mod logs;
mod masters;
mod nonces;
mod owners;
mod queues;
mod registries;
mod results;
mod spooled;
mod spools;

use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::breaker::{Breaker, Guarded};
use gateway_adapters::outbound::redis::{Address, Backend, Kept, LinkSettings, Settings};
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::ports::Clock;

use crate::support::servers::{RedisCluster, RedisServer, Reply, namespace};

/// A backend on a Redis.
pub(super) struct Redis {
    settings: Settings,
    backend: Backend,
    audit: Arc<memory::AuditLog>,
    /// Where workers report.
    results: Arc<memory::ResultStore>,
    server: Server,
    /// Whether there is a breaker before each port.
    guarded: bool,
}

/// The Redis itself, as the Master and an operator see it.
enum Server {
    One(&'static RedisServer),
    Cluster(&'static RedisCluster),
}

/// A backend that is empty, and does not wait long for anybody.
pub(super) async fn on_one() -> Redis {
    let server = RedisServer::shared().await;
    start(Server::One(server), &server.url()).await
}

/// The same with a breaker before each port.
pub(super) async fn on_one_guarded() -> Redis {
    Redis {
        guarded: true,
        ..on_one().await
    }
}

/// The same on a cluster.
pub(super) async fn on_cluster() -> Redis {
    let cluster = RedisCluster::shared().await;
    start(Server::Cluster(cluster), &cluster.url()).await
}

async fn start(server: Server, url: &str) -> Redis {
    let settings = Settings {
        link: LinkSettings {
            address: Address::plain(url),
            pool_size: 2,
            command_timeout: Duration::from_secs(20),
        },
        namespace: namespace(),
        heartbeat_interval: Duration::from_millis(200),
        heartbeat_timeout: Duration::from_secs(2),
        lease_grace: Duration::from_millis(100),
        command_lease: Duration::from_secs(1),
        reply_timeout: Duration::from_secs(1),
        max_dead: 10_000,
        log_lines: Kept {
            max: 50,
            ttl: Duration::from_mins(1),
        },
        log_chunks: Kept {
            max: 2000,
            ttl: Duration::from_mins(1),
        },
    };
    let audit = Arc::new(memory::AuditLog::default());
    let results = results();
    let backend = connect(&settings, &audit, &results).await;
    Redis {
        settings,
        backend,
        audit,
        results,
        server,
        guarded: false,
    }
}

/// Keeps what workers report, of runs that the scheduler does not tell of.
fn results() -> Arc<memory::ResultStore> {
    let settings = memory::Settings {
        adopt_runs: true,
        ..memory::Settings::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    memory::Backend::new(&settings, &clock).result_store
}

async fn connect(
    settings: &Settings,
    audit: &Arc<memory::AuditLog>,
    results: &Arc<memory::ResultStore>,
) -> Backend {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let runs = Some(results.clone() as _);
    let connected = Backend::connect(settings.clone(), clock, audit.clone(), runs);
    let backend = connected.expect("has an address");
    let mut away = backend.away();
    let answers = away.wait_for(Option::is_none);
    answers.await.expect("lives as long as the backend");
    backend
}

impl Redis {
    /// What a gateway has that finds the same Redis at another address.
    async fn through(&self, url: &str) -> Backend {
        let mut settings = self.settings.clone();
        settings.link.address = Address::plain(url);
        connect(&settings, &self.audit, &self.results).await
    }

    /// What another gateway on the same Redis has.
    async fn another(&self) -> Backend {
        connect(&self.settings, &self.audit, &self.results).await
    }

    /// `port`, behind a breaker.
    fn guard<P>(&self, port: &Arc<P>) -> Arc<Guarded<P>> {
        let slow = Duration::from_secs(20);
        let breaker = Breaker::new("test", slow, self.backend.away());
        Arc::new(Guarded::new(port.clone(), breaker))
    }

    /// The whole name of a key.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.settings.namespace)
    }

    /// Does what the Master, or an operator, would do.
    pub(super) async fn command(&self, words: &[&str]) -> Reply {
        match &self.server {
            Server::One(server) => server.command(words).await,
            Server::Cluster(cluster) => cluster.command(words).await,
        }
    }
}

/// What `call` comes to once Redis is not known to be away.
async fn persist<F: Future>(backend: &Backend, call: impl Fn() -> F) -> F::Output {
    let mut away = backend.away();
    let answers = away.wait_for(Option::is_none);
    answers.await.expect("lives as long as the backend");
    call().await
}
