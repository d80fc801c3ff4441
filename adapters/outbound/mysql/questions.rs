//! Questions of who somebody is: few at once, and none for long.

use std::sync::Arc;
use std::time::Duration;

use diesel::QueryResult;
use gateway_core::ports::KnownOutage;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::Fault;
use super::link::{Connection, Link, LinkError};
use crate::outbound::breaker::{Breaker, Outage};

/// Questions at once. The other connections are for results, whoever tries keys.
const AT_ONCE: usize = 4;

/// How long a question may take, waiting included. A caller with an old answer should not wait for
/// longer until that counts.
const PATIENCE: Duration = Duration::from_secs(2);

/// Statuses of a worker, in lower case, that keep it out. One that is merely `offline` comes back.
const DISABLED: [&str; 5] = ["disabled", "blocked", "banned", "deleted", "inactive"];

/// Whether a worker of this status may not come in.
pub(super) fn is_disabled(status: &str) -> bool {
    DISABLED.contains(&status.trim().to_lowercase().as_str())
}

/// Why nobody was found.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// There is none, or none who may come in.
    #[error("there is nobody")]
    Nobody,
    /// `MySQL` is known to be away.
    #[error("MySQL is away")]
    Away(#[source] KnownOutage),
    /// `MySQL` did not answer.
    #[error("nobody can be looked up: {0}")]
    Failed(String),
}

impl Outage for LookupError {
    fn outage(&self) -> Option<bool> {
        match self {
            Self::Nobody => None,
            Self::Away(_) => Some(true),
            Self::Failed(_) => Some(false),
        }
    }

    fn open(known: KnownOutage) -> Self {
        Self::Away(known)
    }
}

/// Whoever asks shares the turns with its clones.
#[derive(Clone)]
pub(super) struct Questions {
    link: Link,
    turns: Arc<Semaphore>,
    breaker: Option<Arc<Breaker>>,
}

impl Questions {
    /// Asks over `link` what `breaker` lets pass, if there is one.
    pub(super) fn new(link: Link, breaker: Option<Arc<Breaker>>) -> Self {
        Self {
            link,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            breaker,
        }
    }

    /// Asks `question`, which changes nothing and may be asked again.
    pub(super) async fn ask<T, F>(
        &self,
        question: impl Fn(Connection) -> F,
    ) -> Result<T, LookupError>
    where
        F: Future<Output = QueryResult<T>>,
    {
        let answer = self.in_turn(question);
        match &self.breaker {
            Some(breaker) => breaker.guard(answer).await,
            None => answer.await,
        }
    }

    async fn in_turn<T, F>(&self, question: impl Fn(Connection) -> F) -> Result<T, LookupError>
    where
        F: Future<Output = QueryResult<T>>,
    {
        let answer = async {
            let turn = self.turns.acquire().await;
            let _turn = turn.expect("the semaphore is never closed");
            match self.once(&question).await {
                // The connection was cut, and to ask again does no harm.
                Err(AskError::Query(error)) if self.link.judge(&error) == Fault::Gone => {
                    self.once(&question).await
                }
                answer => answer,
            }
        };
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(AskError::Link(LinkError::Away(outage)))) => Err(LookupError::Away(outage)),
            Ok(Err(error)) => Err(LookupError::Failed(error.to_string())),
            Err(overdue) => Err(LookupError::Failed(overdue.to_string())),
        }
    }

    async fn once<T, F>(&self, question: impl Fn(Connection) -> F) -> Result<T, AskError>
    where
        F: Future<Output = QueryResult<T>>,
    {
        let connection = self.link.connection().await?;
        Ok(question(connection).await?)
    }
}

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}
