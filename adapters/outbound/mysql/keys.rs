//! What an operator does about API keys, in the table `gateway_api_keys`.

mod table;

use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Secret;

use super::link::{Link, LinkError, Session};
use super::lock::lock;

/// Live keys of one worker: the one in use, and the one that takes its place.
const MAX_LIVE: usize = 2;

/// Whoever changes keys holds this lock, and the others wait for it.
const LOCK: &str = "gateway_keys_";
const PATIENCE: Duration = Duration::from_secs(2);

/// The keys that we made, beside those in `workers.api_key`, which are the Master's.
///
/// A gateway that remembers a key learns of a change when that ends, `AUTH_CACHE_SECONDS` later at
/// most.
#[derive(Clone)]
pub struct KeyBook {
    link: Link,
}

/// A key that was made now, and is shown this once.
#[derive(Debug)]
pub struct NewKey {
    /// Its number.
    pub id: i64,
    /// The key itself.
    pub key: Secret,
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// Its number.
    pub id: i64,
    /// Whose it is; `#` and a number, where the worker's row is gone.
    pub worker: String,
    /// What somebody called it.
    pub label: Option<String>,
    /// Whether it opens.
    pub state: KeyState,
    /// When it was made; times are RFC 3339 in UTC.
    pub created_at: String,
    /// When it ends or ended of itself.
    pub expires_at: Option<String>,
    /// When somebody ended it.
    pub revoked_at: Option<String>,
}

/// Whether a key opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It does.
    Live,
    /// It did until its time was over.
    Expired,
    /// It did until somebody ended it.
    Revoked,
}

/// Why nothing was done about keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no connection.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The database refuses.
    #[error("the database refuses: {0}")]
    Refused(#[from] diesel::result::Error),
    /// Somebody else is at it.
    #[error("somebody else is changing keys; try again")]
    Locked,
    /// There is no such worker.
    #[error("there is no worker {0}")]
    UnknownWorker(WorkerId),
    /// It has as many as it may have.
    #[error("{0} has two live keys, and may have no third; revoke one of them first")]
    Enough(WorkerId),
    /// It has none that another could take the place of.
    #[error("{0} has no live key of the gateway's to rotate; create one")]
    NoneLive(WorkerId),
    /// There is no such key.
    #[error("there is no key {0}")]
    UnknownKey(i64),
}

impl KeyBook {
    /// Looks after the keys in the database of `link`.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// Makes a key for `worker`, which may have another one.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnknownWorker`], and [`KeyError::Enough`] if it has two.
    pub async fn create(&self, worker: &WorkerId, label: Option<&str>) -> Result<NewKey, KeyError> {
        let mut session = self.locked().await?;
        let connection = &mut session.connection;
        let row = table::find(connection, worker).await?;
        if table::live(connection, worker).await?.len() >= MAX_LIVE {
            return Err(KeyError::Enough(worker.clone()));
        }
        table::insert(connection, worker, row, label).await
    }

    /// Makes a second key for `worker`; the first goes on, for as long as `keep` says.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnknownWorker`], [`KeyError::NoneLive`] if it has no key, and
    /// [`KeyError::Enough`] if it has two already.
    pub async fn rotate(
        &self,
        worker: &WorkerId,
        label: Option<&str>,
        keep: Option<Duration>,
    ) -> Result<NewKey, KeyError> {
        let mut session = self.locked().await?;
        let connection = &mut session.connection;
        let row = table::find(connection, worker).await?;
        let live = table::live(connection, worker).await?;
        let old = match live.as_slice() {
            [] => return Err(KeyError::NoneLive(worker.clone())),
            [old] => old.id,
            _ => return Err(KeyError::Enough(worker.clone())),
        };
        // Where it ends halfway, the worker has a key more, not a key less.
        let new = table::insert(connection, worker, row, label).await?;
        if let Some(keep) = keep {
            table::expire(connection, old, keep).await?;
        }
        Ok(new)
    }

    /// All keys there are and were, by worker, the oldest first.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the database cannot be asked.
    pub async fn list(&self) -> Result<Vec<KeyView>, KeyError> {
        let mut session = self.link.session().await?;
        table::list(&mut session.connection).await
    }

    /// Ends a key, whether it is live or not.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnknownKey`] if there is none of this number.
    pub async fn revoke(&self, id: i64) -> Result<(), KeyError> {
        let mut session = self.locked().await?;
        let connection = &mut session.connection;
        let all = table::list(connection).await?;
        if !all.iter().any(|key| key.id == id) {
            return Err(KeyError::UnknownKey(id));
        }
        Ok(table::revoke(connection, id).await?)
    }

    /// A session in which nobody else changes keys; its end gives the lock back.
    async fn locked(&self) -> Result<Session, KeyError> {
        let mut session = self.link.session().await?;
        if !lock(&mut session.connection, LOCK, PATIENCE).await? {
            return Err(KeyError::Locked);
        }
        Ok(session)
    }
}
