//! The connections to `MySQL`, and what all have in common: how a session is set up, a bound on
//! every wait, a word about who is away.

mod address;
mod connector;
mod pulse;

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bb8::{Pool, PooledConnection};
use diesel_async::AsyncMysqlConnection;
use gateway_core::domain::identity::Secret;
use gateway_core::ports::KnownOutage;
use tokio::sync::watch;

pub use self::address::AddressError;
pub(super) use self::connector::Session;
use self::connector::{Connector, Sink};
use self::pulse::Pulse;
use super::error::Fault;

/// How long one waits for a connection, be it made or given back by somebody.
const PATIENCE: Duration = Duration::from_secs(2);

/// How old a connection gets, and for how long it may lie idle. Both are less than what servers
/// and the networks before them allow.
const LIFETIME: (Duration, Duration) = (Duration::from_mins(10), Duration::from_mins(2));

/// Where `MySQL` is, and how it is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `mysql://user[:password]@host[:port]/database`, each part percent-encoded, with an
    /// `ssl-mode` if `tls` is too little.
    pub url: Secret,
    /// What TLS has to prove; the URL may ask for more.
    pub tls: Tls,
    /// Who vouches for the server, as PEM; the system's authorities, if it is left out.
    pub ca: Option<PathBuf>,
    /// Connections, at most. One more feels the pulse.
    pub pool_size: u32,
}

/// How far the server has to prove who it is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tls {
    /// No TLS.
    Disabled,
    /// TLS with whoever answers.
    Required,
    /// TLS with a certificate that is valid and of this name.
    Verified,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// `MySQL` is known to be out of reach.
    #[error("MySQL is away")]
    Away(#[source] KnownOutage),
    /// All connections stayed in use, or none could be made.
    #[error("no connection to MySQL within {} ms", .0.as_millis())]
    Busy(Duration),
    /// A connection could not be made.
    #[error(transparent)]
    Failed(#[from] mysql_async::Error),
    /// A connection could not be set up.
    #[error("the session could not be set up: {0}")]
    Setup(String),
    /// A connection gave no answer.
    #[error("no answer within {} ms", .0.as_millis())]
    Overdue(Duration),
}

/// The connections. Clones share them.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    pool: Pool<Connector>,
    connector: Connector,
    pulse: Arc<Pulse>,
}

/// A connection, lent until it is dropped.
pub struct Connection(PooledConnection<'static, Connector>);

impl Link {
    /// Begins to connect, and goes on trying for as long as it takes: `MySQL` need not be there
    /// yet. It must be called on a runtime.
    ///
    /// # Errors
    ///
    /// [`AddressError`] if `MySQL` cannot be found by what the settings say.
    pub fn connect(settings: &Settings) -> Result<Self, AddressError> {
        let connector = Connector::new(address::options(settings)?);
        let pulse = Arc::new(Pulse::default());
        let (lifetime, idle) = LIFETIME;
        let pool = Pool::builder()
            .max_size(settings.pool_size)
            .connection_timeout(PATIENCE)
            .test_on_check_out(true)
            .max_lifetime(lifetime)
            .idle_timeout(idle)
            .error_sink(Box::new(Sink(pulse.clone())))
            .build_unchecked(connector.clone());
        let link = Self(Arc::new(Inner {
            pool,
            connector,
            pulse,
        }));
        pulse::spawn(&link.0);
        Ok(link)
    }

    /// Why `MySQL` is away, if it is, and whatever changes of it.
    pub fn away(&self) -> watch::Receiver<Option<String>> {
        self.0.pulse.away()
    }

    /// How many connections are idle, and how many busy.
    pub fn connections(&self) -> (u32, u32) {
        let state = self.0.pool.state();
        let idle = state.idle_connections;
        (idle, state.connections.saturating_sub(idle))
    }

    /// A connection that answered a moment ago.
    ///
    /// # Errors
    ///
    /// [`LinkError::Away`] at once if `MySQL` is known to be away, and [`LinkError::Busy`] if none
    /// was free in time.
    pub async fn connection(&self) -> Result<Connection, LinkError> {
        let mut away = self.away();
        let outage = away.wait_for(Option::is_some);
        tokio::select! {
            biased;
            reason = outage => {
                let reason = reason.ok().and_then(|reason| reason.clone());
                Err(LinkError::Away(KnownOutage(reason.unwrap_or_default())))
            }
            lent = self.0.pool.get_owned() => match lent {
                Ok(lent) => Ok(Connection(lent)),
                // What befell those that were tried is in the log.
                Err(_) => Err(LinkError::Busy(PATIENCE)),
            },
        }
    }

    /// What the server meant by `error`, which came of a connection of ours. What that tells of
    /// the others is acted upon.
    pub fn judge(&self, error: &diesel::result::Error) -> Fault {
        let fault = Fault::of(error);
        match fault {
            // The address may lead to another server by now, which takes writes.
            Fault::ReadOnly => self.0.connector.recycle(),
            Fault::Gone => self.0.pulse.hurry(),
            Fault::Deadlock | Fault::LockTimeout | Fault::Full | Fault::Misfit | Fault::Other => {}
        }
        fault
    }

    /// A session beside the pool, for what takes long.
    pub(super) async fn session(&self) -> Result<Session, LinkError> {
        self.0.connector.session().await
    }
}

impl Deref for Connection {
    type Target = AsyncMysqlConnection;

    fn deref(&self) -> &Self::Target {
        &self.0.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0.connection
    }
}
