//! Which adapters run.

use std::time::Duration;

use super::parse::{self, DAY};
use super::reader::Reader;

/// Where queue, logs, heartbeats and control live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In this process; nothing outlives it.
    Memory,
    /// In Redis.
    Redis,
}

/// What becomes of results.
#[derive(Clone, Debug)]
pub struct Results {
    /// Where they are written.
    pub store: ResultStore,
    /// Whether those written to `MySQL` are published to Redis, too.
    pub publish: bool,
    /// Whether they wait in Redis while `MySQL` is away.
    pub spool: bool,
    /// How many share a transaction, at most.
    pub batch_max: usize,
    /// For how long one waits for others while others are being written.
    pub batch_wait: Duration,
    /// Until one that is not committed is spooled, or refused.
    pub commit_timeout: Duration,
    /// For how long a spooled one waits for its run to be known.
    pub unknown_run_patience: Duration,
}

/// Where results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultStore {
    /// In this process; nothing outlives it.
    Memory,
    /// In `MySQL`.
    Mysql,
    /// To a Redis stream, for a Master that owns the database.
    Stream,
}

impl Backend {
    /// Reads the choice; the settings of Redis must have been read before.
    pub(super) fn read(from: &mut Reader) -> Self {
        const NAME: &str = "GATEWAY_BACKEND";
        let words = [("memory", Self::Memory), ("redis", Self::Redis)];
        if let Some(backend) = from.find(NAME, parse::one_of(&words)) {
            return backend;
        }
        if from.is_given("REDIS_URL") {
            from.chosen(NAME, "redis", "chosen because REDIS_URL is set");
            return Self::Redis;
        }
        from.chosen(NAME, "memory", "default, as REDIS_URL is not set");
        Self::Memory
    }
}

impl Results {
    /// Reads the choice; the settings of the database must have been read before.
    pub(super) fn read(from: &mut Reader) -> Self {
        Self {
            store: ResultStore::read(from),
            publish: from.get("RESULT_PUBLISH", parse::switch),
            spool: from.get("RESULT_SPOOL", parse::switch),
            batch_max: from.get("RESULT_BATCH_MAX", parse::whole(1..=1024)),
            batch_wait: from.get("RESULT_BATCH_WAIT_MS", parse::milliseconds(0..=1_000)),
            commit_timeout: from.get(
                "RESULT_COMMIT_TIMEOUT_MS",
                parse::milliseconds(100..=60_000),
            ),
            unknown_run_patience: from
                .get("RESULT_UNKNOWN_RUN_SECONDS", parse::seconds(0..=30 * DAY)),
        }
    }
}

impl ResultStore {
    fn read(from: &mut Reader) -> Self {
        const NAME: &str = "RESULT_STORE";
        let words = [
            ("memory", Self::Memory),
            ("mysql", Self::Mysql),
            ("stream", Self::Stream),
        ];
        if let Some(store) = from.find(NAME, parse::one_of(&words)) {
            return store;
        }
        if from.is_given("DATABASE_URL") {
            from.chosen(NAME, "mysql", "chosen because DATABASE_URL is set");
            return Self::Mysql;
        }
        from.chosen(NAME, "memory", "default, as DATABASE_URL is not set");
        Self::Memory
    }
}
