//! Locks of the database's, for what one gateway or operator at a time may do.

use std::time::Duration;

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryResult, QueryableByName, sql_query};
use diesel_async::{AsyncMysqlConnection, RunQueryDsl as _};

/// Locks are the server's; the database is part of the name, by its hash, as names are short.
const LOCK: &str = "SELECT GET_LOCK(CONCAT(?, SHA1(DATABASE())), ?) AS value";
const UNLOCK: &str = "SELECT RELEASE_LOCK(CONCAT(?, SHA1(DATABASE()))) AS value";

/// Takes the lock `name`, which ends with the session; whether it was free in time.
pub(super) async fn lock(
    session: &mut AsyncMysqlConnection,
    name: &str,
    patience: Duration,
) -> QueryResult<bool> {
    let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
    let taken = sql_query(LOCK)
        .bind::<Text, _>(name)
        .bind::<BigInt, _>(seconds);
    let Number { value } = taken.get_result(session).await?;
    Ok(value == Some(1))
}

/// Gives it back before the session ends.
pub(super) async fn unlock(session: &mut AsyncMysqlConnection, name: &str) -> QueryResult<()> {
    let given = sql_query(UNLOCK).bind::<Text, _>(name);
    given.get_result::<Number>(session).await.map(drop)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    value: Option<i64>,
}
