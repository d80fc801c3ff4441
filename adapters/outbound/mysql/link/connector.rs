//! How a session is begun, and whether it is still good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bb8::{ErrorSink, ManageConnection};
use diesel_async::{
    AsyncConnection, AsyncMysqlConnection, SimpleAsyncConnection as _, TransactionManager,
};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::LinkError;
use super::pulse::Pulse;

/// How long a connection may take to be made and set up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a statement may wait for a lock, and take altogether, in seconds. A transaction that
/// holds rows holds up everybody else who wants them.
const LIMIT: u32 = 3;

/// What every session is, whoever the server is.
///
/// A text that is too long fails, instead of being cut. A statement sees what others committed,
/// and locks no more than the rows it names. Errors are in the language we know them in.
const COMMON: &str = "sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
                      ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
                      autocommit = 1, lc_messages = 'en_US'";

const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// Makes sessions. Clones make the same.
#[derive(Clone)]
pub(super) struct Connector {
    options: Opts,
    /// Sessions of an earlier age are not used any more.
    age: Arc<AtomicU64>,
}

/// One session with the server.
pub(in super::super) struct Session {
    pub(in super::super) connection: AsyncMysqlConnection,
    age: u64,
}

impl Connector {
    pub(super) fn new(options: Opts) -> Self {
        Self {
            options,
            age: Arc::default(),
        }
    }

    /// Has every session end as soon as nobody uses it.
    pub(super) fn recycle(&self) {
        self.age.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins a session.
    pub(super) async fn session(&self) -> Result<Session, LinkError> {
        let age = self.age.load(Ordering::Relaxed);
        let session = async {
            let mut server = Conn::new(self.options.clone()).await?;
            let version: Option<String> = server.query_first("SELECT @@version").await?;
            let [limits, isolation] = setup(&version.unwrap_or_default());
            server.query_drop(limits).await?;
            server.query_drop(isolation).await?;
            let connection = AsyncMysqlConnection::try_from(server).await;
            let connection = connection.map_err(|error| LinkError::Setup(error.to_string()))?;
            Ok(Session { connection, age })
        };
        let begun = timeout(CONNECT_TIMEOUT, session).await;
        begun.unwrap_or(Err(LinkError::Overdue(CONNECT_TIMEOUT)))
    }
}

impl Session {
    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), LinkError> {
        let pong = timeout(CONNECT_TIMEOUT, self.connection.batch_execute("DO 1")).await;
        match pong {
            Ok(answer) => answer.map_err(|error| LinkError::Setup(error.to_string())),
            Err(_) => Err(LinkError::Overdue(CONNECT_TIMEOUT)),
        }
    }
}

impl ManageConnection for Connector {
    type Connection = Session;
    type Error = LinkError;

    async fn connect(&self) -> Result<Session, LinkError> {
        self.session().await
    }

    async fn is_valid(&self, session: &mut Session) -> Result<(), LinkError> {
        session.ping().await
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        type Manager = <AsyncMysqlConnection as AsyncConnection>::TransactionManager;
        // Whoever left a transaction open left its locks as well.
        session.age != self.age.load(Ordering::Relaxed)
            || Manager::is_broken_transaction_manager(&mut session.connection)
    }
}

/// The statements that set a session up with a server of this version.
///
/// They differ in the name of the limit on a statement, and in its unit: `MariaDB` has seconds, for
/// every statement; `MySQL` has ms, for those that only read.
fn setup(version: &str) -> [String; 2] {
    let statements = if version.contains("MariaDB") {
        format!("max_statement_time = {LIMIT}")
    } else {
        format!("max_execution_time = {}", LIMIT * 1000)
    };
    [
        format!("SET SESSION {COMMON}, innodb_lock_wait_timeout = {LIMIT}, {statements}"),
        ISOLATION.to_owned(),
    ]
}

/// Where the pool's troubles go that no caller hears of.
#[derive(Clone, Debug)]
pub(super) struct Sink(pub(super) Arc<Pulse>);

impl ErrorSink<LinkError> for Sink {
    fn sink(&self, error: LinkError) {
        // While it is away, that was said once.
        if self.0.is_away() {
            debug!(%error, "no connection to MySQL");
        } else {
            warn!(%error, "a connection to MySQL failed");
            self.0.hurry();
        }
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<LinkError>> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_told_its_limits_in_its_own_words() {
        for (version, ours, theirs) in [
            (
                "10.11.19-MariaDB-0+deb12u1",
                "max_statement_time = 3",
                "max_execution_time",
            ),
            (
                "5.5.5-10.6.4-MariaDB-log",
                "max_statement_time = 3",
                "max_execution_time",
            ),
            ("8.0.39", "max_execution_time = 3000", "max_statement_time"),
            (
                "8.4.2-commercial",
                "max_execution_time = 3000",
                "max_statement_time",
            ),
            ("", "max_execution_time = 3000", "max_statement_time"),
        ] {
            let [limits, _] = setup(version);

            assert!(limits.ends_with(ours), "{version}: {limits}");
            assert!(!limits.contains(theirs), "{version}: {limits}");
            assert!(limits.contains("innodb_lock_wait_timeout = 3"));
        }
    }
}
