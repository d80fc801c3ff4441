//! The connections to Redis, and what every command over them has in common: a deadline, a bound
//! on what waits, a word about who is away.

mod address;
mod gather;
mod pulse;

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use fred::clients::{Client, Pool};
use fred::error::ErrorKind;
use fred::interfaces::{ClientLike as _, LuaInterface as _};
use fred::types::config::{
    ConnectionConfig, Options, PerformanceConfig, ReconnectError, ReconnectPolicy, Server,
    TcpConfig, UnresponsiveConfig,
};
use fred::types::{ClusterHash, CustomCommand, Value};
use gateway_core::ports::KnownOutage;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub use self::address::{Address, AddressError, TlsFiles};
use super::script::{Script, Source};

/// Commands that may wait for one connection. Beyond it they fail: memory stays bounded while
/// Redis is slow.
const MAX_QUEUED: usize = 10_000;

/// How long a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The first pause before a lost connection is made anew, and the longest, in ms.
const RECONNECT_MS: (u32, u32) = (50, 2_000);

/// How the connections are made and used.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where Redis is, and how one gets in.
    pub address: Address,
    /// Connections for ordinary commands.
    pub pool_size: usize,
    /// How long a command may take, repetitions included.
    pub command_timeout: Duration,
}

/// Why a command got no answer that could be used.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// Redis is known to be out of reach; the command was not sent.
    #[error("Redis is away")]
    Away(#[source] KnownOutage),
    /// The command may or may not have been carried out.
    #[error(transparent)]
    Failed(#[from] fred::error::Error),
    /// It took too long; the command may or may not have been carried out.
    #[error("no answer within {} ms", .0.as_millis())]
    Overdue(Duration),
    /// The answer has a form that nobody knows.
    #[error("Redis answered with {0}")]
    Nonsense(String),
}

impl LinkError {
    /// Whether Redis has no memory left for what it was to store.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Failed(error) if error.details().starts_with("OOM"))
    }

    /// Whether the same command may succeed a moment later, as the connection is to blame.
    fn is_passing(&self) -> bool {
        let Self::Failed(error) = self else {
            return false;
        };
        matches!(
            error.kind(),
            ErrorKind::IO
                | ErrorKind::Canceled
                | ErrorKind::Timeout
                | ErrorKind::Cluster
                | ErrorKind::Routing
        ) || [
            "LOADING",
            "READONLY",
            "MASTERDOWN",
            "CLUSTERDOWN",
            "TRYAGAIN",
            "BUSY ",
            // What fred says of a command that it let go of while it made connections anew.
            "Too many failed write attempts",
            "channel closed",
        ]
        .iter()
        .any(|prefix| error.details().starts_with(prefix))
    }
}

/// The connections. Clones share them.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    pool: Pool,
    clustered: bool,
    database: u8,
    timeout: Duration,
    /// Why Redis is away, if it is.
    away: watch::Sender<Option<String>>,
    connector: Connector,
    gatherers: gather::Gatherers,
}

/// What it takes to make further connections of the same kind.
struct Connector {
    config: fred::types::config::Config,
    performance: PerformanceConfig,
    connection: ConnectionConfig,
    policy: ReconnectPolicy,
}

impl Link {
    /// Begins to connect, and goes on trying for as long as it takes. It must be called on a
    /// runtime.
    pub(super) fn open(settings: &Settings) -> Result<Self, AddressError> {
        let connector = connector(settings)?;
        let pool = Pool::new(
            connector.config.clone(),
            Some(connector.performance.clone()),
            Some(connector.connection.clone()),
            Some(connector.policy.clone()),
            settings.pool_size,
        )
        .map_err(|error| AddressError::Refused(error.to_string()))?;
        let _tasks = pool.connect_pool();
        let link = Self(Arc::new(Inner {
            pool,
            clustered: connector.config.server.is_clustered(),
            database: connector.config.database.unwrap_or_default(),
            timeout: settings.command_timeout,
            away: watch::Sender::new(Some("not connected yet".to_owned())),
            connector,
            gatherers: gather::Gatherers::default(),
        }));
        pulse::spawn(&link);
        Ok(link)
    }

    /// A connection of its own, of the same kind, which the caller connects.
    pub(super) fn client(&self) -> Client {
        let Connector {
            config,
            performance,
            connection,
            policy,
        } = &self.0.connector;
        Client::new(
            config.clone(),
            Some(performance.clone()),
            Some(connection.clone()),
            Some(policy.clone()),
        )
    }

    /// Whether keys are spread over several nodes.
    pub(super) fn is_clustered(&self) -> bool {
        self.0.clustered
    }

    /// The number of the database.
    pub(super) fn database(&self) -> u8 {
        self.0.database
    }

    /// How long a command may take.
    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// The nodes that are connected and take writes.
    pub(super) fn nodes(&self) -> Vec<Server> {
        let clients = self.0.pool.clients().iter();
        let mut nodes: Vec<_> = clients.flat_map(Client::active_connections).collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    /// Why Redis is away, if it is, and whatever changes of it.
    pub(super) fn away(&self) -> watch::Receiver<Option<String>> {
        self.0.away.subscribe()
    }

    /// Runs `script`, which may be run again with the same arguments: a lost answer is no reason
    /// to fail as long as there is time.
    pub(super) async fn eval(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let run = || self.run(script, keys.clone(), args.clone());
        self.persist(run).await
    }

    /// Asks for something, which changes nothing and may be asked again. The first argument is the
    /// key.
    pub(super) async fn read(
        &self,
        command: &'static str,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        self.persist(|| self.send(command, args.clone())).await
    }

    /// Sends a command once: after a failure it may or may not have been carried out. The first
    /// argument is the key.
    pub(super) async fn write_once(
        &self,
        command: &'static str,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        self.within(self.send(command, args)).await
    }

    /// Asks one `node` for something.
    pub(super) async fn ask_node(
        &self,
        node: Server,
        command: &'static str,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let command = CustomCommand::new_static(command, ClusterHash::Random, false);
        let options = Options {
            cluster_node: self.0.clustered.then_some(node),
            ..self.options()
        };
        let client = self.0.pool.next_connected().with_options(&options);
        self.within(async { Ok(Box::pin(client.custom(command, args)).await?) })
            .await
    }

    async fn send(&self, command: &'static str, args: Vec<Value>) -> Result<Value, LinkError> {
        let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
        let client = self.0.pool.next_connected();
        let client = client.with_options(&self.options());
        Ok(Box::pin(client.custom(command, args)).await?)
    }

    async fn run(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        // On a cluster, calls that go together might be for different nodes.
        if self.0.clustered || !gather::is_light(&args) {
            return self.run_source(&script.alone, keys, args).await;
        }
        self.0.gatherers.run(self, script, keys, args).await
    }

    async fn run_source(
        &self,
        source: &Source,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let client = self.0.pool.next_connected().with_options(&self.options());
        let digest = source.digest.as_str();
        // What waits for an answer is large, and held by everybody who waits for more than that.
        let known = Box::pin(client.evalsha(digest, keys.clone(), args.clone())).await;
        match known {
            // Scripts do not outlive a restart or a failover.
            Err(error) if is_unknown_script(&error) => {
                Ok(Box::pin(client.eval(source.text.as_str(), keys, args)).await?)
            }
            known => Ok(known?),
        }
    }

    /// Tries again after a failure that passes, until the time for one command is over.
    async fn persist<F>(&self, attempt: impl Fn() -> F) -> Result<Value, LinkError>
    where
        F: Future<Output = Result<Value, LinkError>>,
    {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(10))
            .with_max_delay(Duration::from_millis(250))
            .with_jitter()
            .without_max_times();
        self.within(async {
            attempt
                .retry(pauses)
                .when(|error| error.is_passing() && self.0.away.borrow().is_none())
                .await
        })
        .await
    }

    async fn within(
        &self,
        answer: impl Future<Output = Result<Value, LinkError>>,
    ) -> Result<Value, LinkError> {
        if let Some(reason) = self.0.away.borrow().clone() {
            return Err(LinkError::Away(KnownOutage(reason)));
        }
        let deadline = Instant::now() + self.0.timeout;
        let answer = timeout_at(deadline, answer).await;
        answer.unwrap_or(Err(LinkError::Overdue(self.0.timeout)))
    }

    fn options(&self) -> Options {
        Options {
            // What is not idempotent must not be repeated, and what is we repeat ourselves.
            max_attempts: Some(1),
            timeout: Some(self.0.timeout),
            fail_fast: true,
            ..Options::default()
        }
    }
}

fn is_unknown_script(error: &fred::error::Error) -> bool {
    error.details().starts_with("NOSCRIPT")
}

fn connector(settings: &Settings) -> Result<Connector, AddressError> {
    let performance = PerformanceConfig {
        default_command_timeout: settings.command_timeout,
        broadcast_channel_capacity: 16 * 1024,
        ..PerformanceConfig::default()
    };
    let connection = ConnectionConfig {
        connection_timeout: CONNECT_TIMEOUT,
        internal_command_timeout: CONNECT_TIMEOUT,
        // A command whose answer was lost is not sent again behind our back.
        max_command_attempts: 1,
        // Nor does fred go to another node with it: it would read the answer to ASKING from among
        // those that others wait for. It learns where the slots are, and we ask again.
        max_redirections: 0,
        max_command_buffer_len: MAX_QUEUED,
        unresponsive: UnresponsiveConfig {
            max_timeout: Some(settings.command_timeout.saturating_mul(2)),
            interval: Duration::from_secs(1),
        },
        reconnect_on_auth_error: true,
        reconnect_errors: vec![
            ReconnectError::ClusterDown,
            ReconnectError::Loading,
            ReconnectError::MasterDown,
            ReconnectError::ReadOnly,
        ],
        tcp: TcpConfig {
            nodelay: Some(true),
            ..TcpConfig::default()
        },
        ..ConnectionConfig::default()
    };
    let (first, longest) = RECONNECT_MS;
    let mut policy = ReconnectPolicy::new_exponential(0, first, longest, 2);
    policy.set_jitter(first);
    Ok(Connector {
        config: settings.address.config()?,
        performance,
        connection,
        policy,
    })
}
