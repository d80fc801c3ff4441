//! What the table `gateway_api_keys` is asked and told.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, QueryableByName, sql_query};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl as _};
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Secret;

use super::super::digest::{digest, hex};
use super::{KeyError, KeyState, KeyView, NewKey};

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

/// Ends a key, unless it ends sooner.
const EXPIRE: &str = "\
    UPDATE gateway_api_keys \
    SET expires_at = LEAST(COALESCE(expires_at, '9999-12-31'), \
        UTC_TIMESTAMP(6) + INTERVAL ? SECOND) \
    WHERE id = ? AND revoked_at IS NULL";

const REVOKE: &str = "\
    UPDATE gateway_api_keys SET revoked_at = UTC_TIMESTAMP(6) \
    WHERE id = ? AND revoked_at IS NULL";

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

/// The number of the row of `worker`.
pub(super) async fn find(
    connection: &mut AsyncMysqlConnection,
    worker: &WorkerId,
) -> Result<i64, KeyError> {
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

pub(super) async fn live(
    connection: &mut AsyncMysqlConnection,
    worker: &WorkerId,
) -> Result<Vec<KeyView>, KeyError> {
    let mut keys = list(connection).await?;
    keys.retain(|key| key.state == KeyState::Live && key.worker == worker.as_str());
    Ok(keys)
}

pub(super) async fn list(connection: &mut AsyncMysqlConnection) -> Result<Vec<KeyView>, KeyError> {
    let rows: Vec<Row> = sql_query(LIST).load(connection).await?;
    Ok(rows.into_iter().map(KeyView::from).collect())
}

pub(super) async fn insert(
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

/// Has a key end after `keep`, unless it ends sooner.
pub(super) async fn expire(
    connection: &mut AsyncMysqlConnection,
    id: i64,
    keep: Duration,
) -> QueryResult<()> {
    let seconds = i64::try_from(keep.as_secs()).unwrap_or(i64::MAX);
    let expire = sql_query(EXPIRE)
        .bind::<BigInt, _>(seconds)
        .bind::<BigInt, _>(id);
    expire.execute(connection).await.map(drop)
}

/// Ends a key.
pub(super) async fn revoke(connection: &mut AsyncMysqlConnection, id: i64) -> QueryResult<()> {
    let revoke = sql_query(REVOKE).bind::<BigInt, _>(id);
    revoke.execute(connection).await.map(drop)
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
