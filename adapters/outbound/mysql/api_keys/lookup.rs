//! One question to the tables.

use std::time::Duration;

use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{OptionalExtension as _, QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::KnownOutage;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use super::super::digest::{Digest, digest, hex, same};
use super::super::error::Fault;
use super::super::link::{Link, LinkError};
use super::KeyStorage;
use crate::outbound::breaker::Outage;

/// Questions at once. The other connections are for results, whoever tries keys.
const AT_ONCE: usize = 4;

/// How long a question may take, waiting included. A caller with an old answer should not wait for
/// longer until that counts.
const PATIENCE: Duration = Duration::from_secs(2);

/// Statuses of a worker, in lower case, whose keys are refused. One that is merely `offline` comes
/// back with its key.
const DISABLED: [&str; 5] = ["disabled", "blocked", "banned", "deleted", "inactive"];

/// The keys that we made.
const OURS: &str = "\
    SELECT w.public_id, COALESCE(w.status, '') AS status, k.digest AS stored, \
        GREATEST(0, TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), k.expires_at)) AS remaining \
    FROM gateway_api_keys k JOIN workers w ON w.id = k.worker_id \
    WHERE k.digest = ? AND k.revoked_at IS NULL \
        AND (k.expires_at IS NULL OR k.expires_at > UTC_TIMESTAMP(6))";

/// Those that the Master made. How the column compares texts is not ours to say: what is found may
/// be alike only, in capitals or in spaces at the end.
const MASTERS: &str = "\
    SELECT public_id, COALESCE(status, '') AS status, api_key AS stored, NULL AS remaining \
    FROM workers WHERE api_key = ? LIMIT 64";

/// Whose a key is.
pub(super) struct Owner {
    pub(super) worker: WorkerId,
    /// For how long, if not for good.
    pub(super) remaining: Option<Duration>,
}

/// Why a key was not found.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookupError {
    /// It is nobody's, or of somebody who may not come in.
    #[error("the key is nobody's")]
    Nobody,
    /// `MySQL` is known to be away.
    #[error("MySQL is away")]
    Away(#[source] KnownOutage),
    /// `MySQL` did not answer.
    #[error("API keys cannot be looked up: {0}")]
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

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    public_id: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    stored: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    remaining: Option<i64>,
}

pub(super) struct Lookup {
    link: Link,
    storage: KeyStorage,
    turns: Semaphore,
}

impl Lookup {
    pub(super) fn new(link: Link, storage: KeyStorage) -> Self {
        Self {
            link,
            storage,
            turns: Semaphore::new(AT_ONCE),
        }
    }

    pub(super) async fn owner(&self, key: &str, digest: &Digest) -> Result<Owner, LookupError> {
        let answer = async {
            let turn = self.turns.acquire().await;
            let _turn = turn.expect("the semaphore is never closed");
            match self.ask(key, digest).await {
                // The connection was cut, and to ask again does no harm.
                Err(AskError::Query(error)) if self.link.judge(&error) == Fault::Gone => {
                    self.ask(key, digest).await
                }
                answer => answer,
            }
        };
        match timeout(PATIENCE, answer).await {
            Ok(Ok(Some(row))) => owner(&row),
            Ok(Ok(None)) => Err(LookupError::Nobody),
            Ok(Err(AskError::Link(LinkError::Away(outage)))) => Err(LookupError::Away(outage)),
            Ok(Err(error)) => Err(LookupError::Failed(error.to_string())),
            Err(overdue) => Err(LookupError::Failed(overdue.to_string())),
        }
    }

    async fn ask(&self, key: &str, digest: &Digest) -> Result<Option<Row>, AskError> {
        let mut connection = self.link.connection().await?;
        let hex = hex(digest);
        let ours = sql_query(OURS).bind::<Text, _>(&hex);
        if let Some(row) = ours.get_result(&mut connection).await.optional()? {
            return Ok(Some(row));
        }
        let sought = match self.storage {
            KeyStorage::Plain => key,
            KeyStorage::Sha256 => &hex,
        };
        let alike = sql_query(MASTERS).bind::<Text, _>(sought);
        let alike: Vec<Row> = alike.load(&mut connection).await?;
        Ok(self.only(alike, digest))
    }

    /// The one among those `alike` that it is. A key of two workers is nobody's.
    fn only(&self, alike: Vec<Row>, sought: &Digest) -> Option<Row> {
        let sought = match self.storage {
            KeyStorage::Plain => *sought,
            // What is compared is hashed once more, so that one length fits all.
            KeyStorage::Sha256 => digest(&hex(sought)),
        };
        let is_sought = |row: &Row| same(&digest(&row.stored), &sought);
        let mut found = alike.into_iter().filter(is_sought);
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

fn owner(row: &Row) -> Result<Owner, LookupError> {
    let status = row.status.trim().to_lowercase();
    if DISABLED.contains(&status.as_str()) {
        return Err(LookupError::Nobody);
    }
    match WorkerId::parse(&row.public_id) {
        Ok(worker) => Ok(Owner {
            worker,
            // It is never below zero.
            remaining: row
                .remaining
                .map(|left| Duration::from_micros(left.unsigned_abs())),
        }),
        Err(error) => {
            warn!(%error, "a worker has an API key and a public_id that is no identifier");
            Err(LookupError::Nobody)
        }
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
