//! The connections to Redis, and what every command over them has in common: a deadline, a bound
//! on what waits, a word about who is away.

mod address;
mod connector;
mod error;
mod gather;
mod pulse;

use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use fred::clients::{Client, Pool};
use fred::interfaces::{ClientLike as _, LuaInterface as _};
use fred::types::config::{Options, Server};
use fred::types::{ClusterHash, CustomCommand, Value};
use gateway_core::ports::KnownOutage;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

pub use self::address::{Address, AddressError, TlsFiles};
use self::connector::Connector;
pub(super) use self::error::LinkError;
use super::script::{Script, Source};

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

/// The connections. Clones share them.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    pool: Pool,
    timeout: Duration,
    /// Why Redis is away, if it is.
    away: watch::Sender<Option<String>>,
    connector: Connector,
    gatherers: gather::Gatherers,
}

impl Link {
    /// Begins to connect, and goes on trying for as long as it takes. It must be called on a
    /// runtime.
    pub(super) fn open(settings: &Settings) -> Result<Self, AddressError> {
        let connector = Connector::new(settings)?;
        let pool = connector.pool(settings.pool_size)?;
        let _tasks = pool.connect_pool();
        let link = Self(Arc::new(Inner {
            pool,
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
        self.0.connector.client()
    }

    /// Whether keys are spread over several nodes.
    pub(super) fn is_clustered(&self) -> bool {
        self.0.connector.is_clustered()
    }

    /// The number of the database.
    pub(super) fn database(&self) -> u8 {
        self.0.connector.database()
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

    /// How many connections of the pool are open; on a cluster each of its members has several.
    pub(super) fn connections(&self) -> u32 {
        let clients = self.0.pool.clients().iter();
        let open = clients.map(|client| client.active_connections().len());
        u32::try_from(open.sum::<usize>()).unwrap_or(u32::MAX)
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
        self.expect_answers()?;
        // On a cluster, calls that go together might be for different nodes.
        if self.is_clustered() || !gather::is_light(&args) {
            // What waits for Redis itself is large, and held by everybody who waits for more.
            return Box::pin(self.run(&script.alone, keys, args)).await;
        }
        gather::run(self, script, keys, args).await
    }

    /// Runs `script` once: after a failure it may or may not have been carried out.
    pub(super) async fn eval_once(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let run = |deadline| self.run_once(&script.alone, keys, args, deadline);
        Box::pin(self.within(run)).await
    }

    /// Asks for something, which changes nothing and may be asked again. The first argument is the
    /// key.
    pub(super) async fn read(
        &self,
        command: &'static str,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let attempt = |deadline| self.send(command, args.clone(), deadline);
        Box::pin(self.persist(attempt)).await
    }

    /// Sends a command once: after a failure it may or may not have been carried out. The first
    /// argument is the key.
    pub(super) async fn write_once(
        &self,
        command: &'static str,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        Box::pin(self.within(|deadline| self.send(command, args, deadline))).await
    }

    /// Asks one `node` for something.
    pub(super) async fn ask_node(
        &self,
        node: Server,
        command: &'static str,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let command = CustomCommand::new_static(command, ClusterHash::Random, false);
        let asked = self.within(async |deadline| {
            let options = Options {
                cluster_node: self.is_clustered().then_some(node),
                ..options(deadline)
            };
            let client = self.0.pool.next_connected().with_options(&options);
            Ok(client.custom(command, args).await?)
        });
        Box::pin(asked).await
    }

    async fn send(
        &self,
        command: &'static str,
        args: Vec<Value>,
        deadline: Instant,
    ) -> Result<Value, LinkError> {
        let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
        let client = self.0.pool.next_connected();
        let client = client.with_options(&options(deadline));
        Ok(client.custom(command, args).await?)
    }

    /// Runs a script by itself, again and again until there is an answer or no more time.
    async fn run(
        &self,
        source: &Source,
        keys: Vec<String>,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        self.persist(|deadline| self.run_once(source, keys.clone(), args.clone(), deadline))
            .await
    }

    async fn run_once(
        &self,
        source: &Source,
        keys: Vec<String>,
        args: Vec<Value>,
        deadline: Instant,
    ) -> Result<Value, LinkError> {
        let client = self.0.pool.next_connected();
        let client = client.with_options(&options(deadline));
        let digest = source.digest.as_str();
        match client.evalsha(digest, keys.clone(), args.clone()).await {
            Err(error) if LinkError::is_unknown_script(&error) => {
                Ok(client.eval(source.text.as_str(), keys, args).await?)
            }
            known => Ok(known?),
        }
    }

    /// Tries again after a failure that passes, until the time for one command is over.
    async fn persist<F>(&self, attempt: impl Fn(Instant) -> F) -> Result<Value, LinkError>
    where
        F: Future<Output = Result<Value, LinkError>>,
    {
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(10))
            .with_max_delay(Duration::from_millis(250))
            .with_jitter()
            .without_max_times();
        self.within(async |deadline| {
            (|| attempt(deadline))
                .retry(pauses)
                .when(|error| error.is_passing() && self.0.away.borrow().is_none())
                .await
        })
        .await
    }

    async fn within(
        &self,
        answer: impl AsyncFnOnce(Instant) -> Result<Value, LinkError>,
    ) -> Result<Value, LinkError> {
        self.expect_answers()?;
        let deadline = Instant::now() + self.0.timeout;
        let answer = timeout_at(deadline, answer(deadline)).await;
        answer.unwrap_or(Err(LinkError::Overdue(self.0.timeout)))
    }

    /// Nobody waits for a Redis that is known to be away.
    fn expect_answers(&self) -> Result<(), LinkError> {
        match &*self.0.away.borrow() {
            None => Ok(()),
            Some(reason) => Err(LinkError::Away(KnownOutage(reason.clone()))),
        }
    }
}

/// How a command is sent that nobody waits for beyond `deadline`.
fn options(deadline: Instant) -> Options {
    let left = deadline.saturating_duration_since(Instant::now());
    Options {
        // What is not idempotent must not be repeated, and what is we repeat ourselves.
        max_attempts: Some(1),
        // fred must give it up before we do: what it gave up it does not send when a connection is
        // back, but it would send what we merely stopped waiting for, be it a minute later. And it
        // takes none at all for no limit.
        timeout: Some((left * 9 / 10).max(Duration::from_millis(1))),
        fail_fast: true,
        ..Options::default()
    }
}
