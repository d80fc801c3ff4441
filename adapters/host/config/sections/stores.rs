use std::path::PathBuf;
use std::time::Duration;

use super::super::parse::{self, DAY};
use super::super::reader::Reader;
use super::super::url::BackendUrl;

/// The bounds of the in-memory adapters.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Tasks waiting or held, all workers together.
    pub max_tasks: usize,
    /// Runs remembered.
    pub max_runs: usize,
    /// Workers remembered.
    pub max_workers: usize,
    /// Log lines kept of one run.
    pub log_lines_per_run: usize,
    /// Bytes of log lines kept, all runs together.
    pub log_bytes: usize,
    /// Bytes of log files kept, all runs together.
    pub chunk_bytes: usize,
    /// What the data of all results may take, in bytes.
    pub result_bytes: usize,
}

impl Memory {
    pub(in crate::host::config) fn read(from: &mut Reader) -> Self {
        Self {
            max_tasks: from.get("MEMORY_MAX_TASKS", parse::count),
            max_runs: from.get("MEMORY_MAX_RUNS", parse::count),
            max_workers: from.get("MEMORY_MAX_WORKERS", parse::count),
            log_lines_per_run: from.get("MEMORY_LOG_LINES_PER_RUN", parse::count),
            log_bytes: from.get("MEMORY_LOG_BYTES", parse::count),
            chunk_bytes: from.get("MEMORY_CHUNK_BYTES", parse::count),
            result_bytes: from.get("MEMORY_RESULT_BYTES", parse::count),
        }
    }
}

/// Where Redis is.
#[derive(Clone, Debug)]
pub struct Redis {
    /// Its address.
    pub url: BackendUrl,
    /// The prefix of every key.
    pub namespace: String,
    /// Connections for ordinary commands. Too few and a slow reply holds up the others; more than
    /// a few dozen bring nothing.
    pub pool_size: usize,
    /// Until a command counts as failed.
    pub command_timeout: Duration,
    /// Dead letters kept, about; the oldest go.
    pub max_dead: u64,
    /// What TLS needs besides the system's roots.
    pub tls: RedisTls,
}

/// The files that TLS to Redis needs, as PEM; none of them are needed by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// Who vouches for the server, instead of the system's roots.
    pub ca: Option<PathBuf>,
    /// Our certificate and its private key, if the server wants one.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl Redis {
    pub(in crate::host::config) fn read(from: &mut Reader) -> Self {
        let schemes = parse::url(&[
            "redis",
            "rediss",
            "redis-cluster",
            "rediss-cluster",
            "redis-sentinel",
            "rediss-sentinel",
        ]);
        Self {
            url: from.get("REDIS_URL", schemes),
            namespace: from.get("REDIS_NAMESPACE", parse::namespace),
            pool_size: from.get("REDIS_POOL_SIZE", parse::whole(1..=64)),
            command_timeout: from.get(
                "REDIS_COMMAND_TIMEOUT_MS",
                parse::milliseconds(100..=60_000),
            ),
            max_dead: from.get("REDIS_DEAD_MAXLEN", parse::whole(1..=u64::MAX)),
            tls: RedisTls::read(from),
        }
    }
}

impl RedisTls {
    fn read(from: &mut Reader) -> Self {
        let ca = from.find("REDIS_TLS_CA_PATH", parse::path);
        let certificate = from.find("REDIS_TLS_CERT_PATH", parse::path);
        let key = from.find("REDIS_TLS_KEY_PATH", parse::path);
        Self {
            ca,
            client: certificate.zip(key),
        }
    }
}

/// Where `MySQL` is.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its address, if there is one.
    pub url: Option<BackendUrl>,
    /// The IANA zone of its `DATETIME` columns.
    pub time_zone: String,
    /// Connections, at most.
    pub pool_size: u32,
    /// Whether what is missing is created at the start.
    pub migrate: bool,
    /// How far the server has to prove who it is.
    pub tls: DatabaseTls,
    /// Who vouches for the server, instead of the system's roots.
    pub tls_ca: Option<PathBuf>,
}

/// How far a `MySQL` server has to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseTls {
    /// No TLS.
    Disabled,
    /// TLS with whoever answers: nobody reads along, but somebody may stand in between.
    Required,
    /// TLS with a certificate that is valid and of this name.
    Verified,
}

impl Database {
    pub(in crate::host::config) fn read(from: &mut Reader) -> Self {
        Self {
            url: from.find("DATABASE_URL", parse::url(&["mysql"])),
            time_zone: from.get("DATABASE_TIMEZONE", parse::zone),
            pool_size: from.get("DATABASE_POOL_SIZE", parse::whole(1..=1024)),
            migrate: from.get("DATABASE_MIGRATE", parse::switch),
            tls_ca: from.find("DATABASE_TLS_CA_PATH", parse::path),
            tls: DatabaseTls::read(from),
        }
    }
}

impl DatabaseTls {
    /// Reads it; the path of the CA must have been read before.
    fn read(from: &mut Reader) -> Self {
        const NAME: &str = "DATABASE_TLS";
        let words = [
            ("disabled", Self::Disabled),
            ("required", Self::Required),
            ("verified", Self::Verified),
        ];
        if let Some(tls) = from.find(NAME, parse::one_of(&words)) {
            return tls;
        }
        if from.is_given("DATABASE_TLS_CA_PATH") {
            from.chosen(
                NAME,
                "verified",
                "chosen because DATABASE_TLS_CA_PATH is set",
            );
            return Self::Verified;
        }
        from.chosen(
            NAME,
            "disabled",
            "default, as DATABASE_TLS_CA_PATH is not set",
        );
        Self::Disabled
    }
}

/// How much of a run's log stays in its Redis streams, and for how long.
#[derive(Clone, Debug)]
pub struct LogStreams {
    /// Lines in the live stream of one run.
    pub max_lines: u64,
    /// From the last line until the stream expires.
    pub line_ttl: Duration,
    /// Chunks in the chunk stream of one run.
    pub max_chunks: u64,
    /// From the last chunk until the stream expires.
    pub chunk_ttl: Duration,
}

impl LogStreams {
    pub(in crate::host::config) fn read(from: &mut Reader) -> Self {
        let ttl = || parse::seconds(1..=3650 * DAY);
        Self {
            max_lines: from.get("LOG_STREAM_MAXLEN", parse::whole(1..=u64::MAX)),
            line_ttl: from.get("LOG_STREAM_TTL_SECONDS", ttl()),
            max_chunks: from.get("LOG_CHUNK_STREAM_MAXLEN", parse::whole(1..=u64::MAX)),
            chunk_ttl: from.get("LOG_CHUNK_TTL_SECONDS", ttl()),
        }
    }
}
