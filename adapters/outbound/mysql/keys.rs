//! What an operator does about API keys, in the table `gateway_api_keys`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl as _};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Secret;

use super::digest::{digest, hex};
use super::link::{Link, LinkError, Session};
use super::lock::lock;

/// Live keys of one worker: the one in use, and the one that takes its place.
const MAX_LIVE: usize = 2;

/// Whoever changes keys holds this lock, and the others wait for it.
const LOCK: &str = "gateway_keys_";
const PATIENCE: Duration = Duration::from_secs(2);

const LIST: &str = "\
    SELECT k.id, COALESCE(w.public_id, CONCAT('#', k.worker_id)) AS worker, k.label, \
        DATE_FORMAT(k.created_at, '%Y-%m-%dT%H:%i:%sZ') AS created_at, \
        DATE_FORMAT(k.expires_at, '%Y-%m-%dT%H:%i:%sZ') AS expires_at, \
        DATE_FORMAT(k.revoked_at, '%Y-%m-%dT%H:%i:%sZ') AS revoked_at, \
        CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' \
            WHEN k.expires_at <= UTC_TIMESTAMP(6) THEN 'expired' ELSE 'live' END AS state \
    FROM gateway_api_keys k LEFT JOIN workers w ON w.id = k.worker_id \
    ORDER BY worker, k.id";

const INSERT: &str = "\
    INSERT INTO gateway_api_keys (worker_id, digest, label, created_at) \
    VALUES (?, ?, ?, UTC_TIMESTAMP(6))";

/// Ends live keys of a worker, unless they end sooner.
const EXPIRE: &str = "\
    UPDATE gateway_api_keys \
    SET expires_at = LEAST(COALESCE(expires_at, '9999-12-31'), \
        UTC_TIMESTAMP(6) + INTERVAL ? SECOND) \
    WHERE id = ? AND revoked_at IS NULL";

const REVOKE: &str = "\
    UPDATE gateway_api_keys SET revoked_at = UTC_TIMESTAMP(6) \
    WHERE id = ? AND revoked_at IS NULL";

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

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    worker: String,
    #[diesel(sql_type = Nullable<Text>)]
    label: Option<String>,
    #[diesel(sql_type = Text)]
    created_at: String,
    #[diesel(sql_type = Nullable<Text>)]
    expires_at: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    revoked_at: Option<String>,
    #[diesel(sql_type = Text)]
    state: String,
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
        let row = find(connection, worker).await?;
        if live(connection, worker).await?.len() >= MAX_LIVE {
            return Err(KeyError::Enough(worker.clone()));
        }
        insert(connection, worker, row, label).await
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
        let row = find(connection, worker).await?;
        let live = live(connection, worker).await?;
        let old = match live.as_slice() {
            [] => return Err(KeyError::NoneLive(worker.clone())),
            [old] => old.id,
            _ => return Err(KeyError::Enough(worker.clone())),
        };
        // Where it ends halfway, the worker has a key more, not a key less.
        let new = insert(connection, worker, row, label).await?;
        if let Some(keep) = keep {
            let seconds = i64::try_from(keep.as_secs()).unwrap_or(i64::MAX);
            sql_query(EXPIRE)
                .bind::<BigInt, _>(seconds)
                .bind::<BigInt, _>(old)
                .execute(connection)
                .await?;
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
        list(&mut session.connection).await
    }

    /// Ends a key, whether it is live or not.
    ///
    /// # Errors
    ///
    /// [`KeyError::UnknownKey`] if there is none of this number.
    pub async fn revoke(&self, id: i64) -> Result<(), KeyError> {
        let mut session = self.locked().await?;
        let connection = &mut session.connection;
        let all = list(connection).await?;
        if !all.iter().any(|key| key.id == id) {
            return Err(KeyError::UnknownKey(id));
        }
        sql_query(REVOKE)
            .bind::<BigInt, _>(id)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// A session in which nobody else changes keys; its end gives the lock back.
    async fn locked(&self) -> Result<Session, KeyError> {
        let mut session = self.link.session().await?;
        match lock(&mut session.connection, LOCK, PATIENCE).await? {
            true => Ok(session),
            false => Err(KeyError::Locked),
        }
    }
}

/// The number of the row of `worker`.
async fn find(connection: &mut AsyncMysqlConnection, worker: &WorkerId) -> Result<i64, KeyError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        id: i64,
        #[diesel(sql_type = Text)]
        public_id: String,
    }

    let alike = sql_query("SELECT id, public_id FROM workers WHERE public_id = ?")
        .bind::<Text, _>(worker.as_str());
    let alike: Vec<Found> = alike.load(connection).await?;
    // The column may take capitals for small letters.
    let found = alike
        .into_iter()
        .find(|row| row.public_id == worker.as_str());
    let found = found.ok_or_else(|| KeyError::UnknownWorker(worker.clone()))?;
    Ok(found.id)
}

async fn live(
    connection: &mut AsyncMysqlConnection,
    worker: &WorkerId,
) -> Result<Vec<KeyView>, KeyError> {
    let mut keys = list(connection).await?;
    keys.retain(|key| key.state == KeyState::Live && key.worker == worker.as_str());
    Ok(keys)
}

async fn list(connection: &mut AsyncMysqlConnection) -> Result<Vec<KeyView>, KeyError> {
    let rows: Vec<Row> = sql_query(LIST).load(connection).await?;
    Ok(rows.into_iter().map(KeyView::from).collect())
}

async fn insert(
    connection: &mut AsyncMysqlConnection,
    worker: &WorkerId,
    row: i64,
    label: Option<&str>,
) -> Result<NewKey, KeyError> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }

    let key = made_for(worker);
    let digest = hex(&digest(key.expose()));
    sql_query(INSERT)
        .bind::<BigInt, _>(row)
        .bind::<Text, _>(&digest)
        .bind::<Nullable<Text>, _>(label)
        .execute(connection)
        .await?;
    let id = sql_query("SELECT id FROM gateway_api_keys WHERE digest = ?").bind::<Text, _>(digest);
    let Id { id } = id.get_result(connection).await?;
    Ok(NewKey { id, key })
}

/// A new key. It names its worker, so that whoever finds it knows whose to revoke.
fn made_for(worker: &WorkerId) -> Secret {
    let random = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    Secret::new(format!("ak_{worker}_{random}"))
}

impl From<Row> for KeyView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            worker: row.worker,
            label: row.label,
            state: match row.state.as_str() {
                "live" => KeyState::Live,
                "expired" => KeyState::Expired,
                _ => KeyState::Revoked,
            },
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        }
    }
}
