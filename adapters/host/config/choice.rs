//! Which adapters run.

use super::parse;
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
