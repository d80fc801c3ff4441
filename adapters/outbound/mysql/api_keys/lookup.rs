//! One question to the tables.

use std::time::Duration;

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use gateway_core::domain::id::WorkerId;
use tokio::time::Instant;
use tracing::warn;

use super::super::digest::{Digest, digest, hex, same};
use super::super::questions::{LookupError, Questions, is_disabled};
use super::KeyStorage;

/// The keys that we made, and those that the Master made, in one question: whoever tries keys is to
/// cost no more. How a column compares texts is not ours to say: what is found may be alike only, in
/// capitals or in spaces at the end. Nor are the two tables' columns of one kind.
const ALIKE: &str = "\
    (SELECT CONVERT(w.public_id USING utf8mb4) COLLATE utf8mb4_bin AS public_id, \
        CONVERT(COALESCE(w.status, '') USING utf8mb4) COLLATE utf8mb4_bin AS status, \
        CONVERT(k.digest USING utf8mb4) COLLATE utf8mb4_bin AS stored, 1 AS ours, \
        GREATEST(0, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), k.expires_at)) AS remaining \
    FROM gateway_api_keys k JOIN workers w ON w.id = k.worker_id \
    WHERE k.digest = ? AND k.revoked_at IS NULL \
        AND (k.expires_at IS NULL OR k.expires_at > UTC_TIMESTAMP(6))) \
    UNION ALL \
    (SELECT CONVERT(public_id USING utf8mb4) COLLATE utf8mb4_bin, \
        CONVERT(COALESCE(status, '') USING utf8mb4) COLLATE utf8mb4_bin, \
        CONVERT(api_key USING utf8mb4) COLLATE utf8mb4_bin, 0, NULL \
    FROM workers WHERE api_key = ? LIMIT 64)";

/// Whose a key is.
#[derive(Clone)]
pub(super) struct Owner {
    pub(super) worker: WorkerId,
    /// When the key expires, if it does.
    expires: Option<Instant>,
}

impl Owner {
    pub(super) fn is_over(&self) -> bool {
        self.expires.is_some_and(|end| end <= Instant::now())
    }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    public_id: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    stored: String,
    #[diesel(sql_type = BigInt)]
    ours: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    remaining: Option<i64>,
}

pub(super) struct Lookup {
    pub(super) questions: Questions,
    pub(super) storage: KeyStorage,
}

impl Lookup {
    pub(super) async fn owner(&self, key: &str, digest: &Digest) -> Result<Owner, LookupError> {
        let asked = Instant::now();
        let hex = hex(digest);
        let sought = match self.storage {
            KeyStorage::Plain => key,
            KeyStorage::Sha256 => &hex,
        };
        let alike = self.questions.ask(|mut connection| {
            let query = sql_query(ALIKE)
                .bind::<Text, _>(hex.clone())
                .bind::<Text, _>(sought.to_owned());
            async move { query.load::<Row>(&mut connection).await }
        });
        let row = self.only(alike.await?, digest);
        owner(&row.ok_or(LookupError::Nobody)?, asked)
    }

    /// The one among those `alike` that it is, ours first. A key of two workers is nobody's.
    fn only(&self, alike: Vec<Row>, sought: &Digest) -> Option<Row> {
        // What is compared is hashed once more, so that one length fits all.
        let hashed = digest(&hex(sought));
        let masters = match self.storage {
            KeyStorage::Plain => *sought,
            KeyStorage::Sha256 => hashed,
        };
        let is_sought = |row: &Row| match row.ours {
            0 => same(&digest(&row.stored), &masters),
            _ => same(&digest(&row.stored), &hashed),
        };
        let (ours, others): (Vec<Row>, Vec<Row>) = alike
            .into_iter()
            .filter(is_sought)
            .partition(|row| row.ours != 0);
        if let Some(row) = ours.into_iter().next() {
            return Some(row);
        }
        let mut found = others.into_iter();
        let row = found.next()?;
        if let Some(other) = found.next() {
            warn!(
                worker = row.public_id,
                other = other.public_id,
                "two workers have one API key, which is refused"
            );
            return None;
        }
        Some(row)
    }
}

fn owner(row: &Row, asked: Instant) -> Result<Owner, LookupError> {
    if is_disabled(&row.status) {
        return Err(LookupError::Nobody);
    }
    match WorkerId::parse(&row.public_id) {
        Ok(worker) => Ok(Owner {
            worker,
            // It is never below zero, and one that is too far off to be told is as good as none.
            expires: row
                .remaining
                .and_then(|left| asked.checked_add(Duration::from_micros(left.unsigned_abs()))),
        }),
        Err(error) => {
            warn!(%error, "a worker has an API key and a public_id that is no identifier");
            Err(LookupError::Nobody)
        }
    }
}
