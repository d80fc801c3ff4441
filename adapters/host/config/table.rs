//! Every setting there is: the one place that knows names, defaults and secrets.

/// Settings that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// What they are about, as a heading.
    pub title: &'static str,
    /// The settings, in the order in which they are shown.
    pub settings: &'static [Setting],
}

/// One thing that an operator can set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable; the key in the TOML file is the same in lower case.
    pub name: &'static str,
    /// The value it has when nobody sets it; `None` leaves the matter unset.
    pub default: Option<&'static str>,
    /// What it does.
    pub meaning: &'static str,
    /// The command-line flag that sets it, if there is one.
    pub flag: Option<&'static str>,
    /// Whether its value must never be shown as it is.
    pub secret: bool,
}

impl Setting {
    /// The key in the TOML file.
    pub fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// All settings, section by section.
pub fn settings() -> &'static [Section] {
    SECTIONS
}

/// The names of the environment variable and the flag that lead to the TOML file.
pub(super) const CONFIG: (&str, &str) = ("GATEWAY_CONFIG", "--config");

pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

pub(super) fn named(name: &str) -> &'static Setting {
    all()
        .find(|setting| setting.name == name)
        .expect("every setting that is read has its row, since every load reads all of them")
}

const fn set(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting {
        default: Some(default),
        ..unset(name, meaning)
    }
}

const fn unset(name: &'static str, meaning: &'static str) -> Setting {
    Setting {
        name,
        default: None,
        meaning,
        flag: None,
        secret: false,
    }
}

const fn section(title: &'static str, settings: &'static [Setting]) -> Section {
    Section { title, settings }
}

#[rustfmt::skip]
const SECTIONS: &[Section] = &[
    section("gRPC", &[
        set("GRPC_ENABLED", "true", "serve gRPC at all"),
        set("GRPC_HOST", "0.0.0.0", "listen address").flag("--host"),
        set("GRPC_PORT", "50051", "listen port; 0 picks a free one and logs it").flag("--port"),
        set("GRPC_MAX_WORKERS", "10", "runtime worker threads, at most; never more than the machine's cores"),
        set("GRPC_MAX_CONCURRENT_STREAMS", "256", "calls in flight on one connection"),
        set("GRPC_MAX_CALLS", "4096", "calls under way that do not wait, of all workers; the last quarter is for the control plane"),
        set("GRPC_MAX_CALLS_PER_WORKER", "64", "calls of one worker under way that do not wait: so many that bring logs, and so many others"),
        set("GRPC_MAX_POLLS_PER_WORKER", "4", "polls of one worker that wait, of each kind (task, control), and its live channels"),
        set("GRPC_MAX_BYTES", "536870912", "bytes of messages under way, of all workers; the last quarter is for the control plane"),
        set("GRPC_MAX_BYTES_PER_WORKER", "134217728", "the same of one worker"),
        set("GRPC_HEARTBEAT_INTERVAL", "30", "seconds between heartbeats, told to workers when they register"),
        set("GRPC_HEARTBEAT_TIMEOUT", "90", "seconds without a heartbeat until a worker counts as gone"),
        set("GRPC_PING_INTERVAL_SECONDS", "30", "seconds between pings on a worker's stream"),
        set("GRPC_DRAIN_DELAY", "0", "seconds at shutdown for which calls are served on while health says NOT_SERVING"),
        set("GRPC_SHUTDOWN_GRACE_PERIOD", "5.0", "seconds given to calls in flight at shutdown"),
        unset("GRPC_TLS_CERT_PATH", "PEM certificate chain; needs the key"),
        unset("GRPC_TLS_KEY_PATH", "PEM private key; needs the certificate"),
        unset("GRPC_TLS_CA_PATH", "PEM bundle of CAs for client certificates; turns on mTLS"),
        unset("GRPC_TLS_CRL_PATH", "PEM lists of revoked client certificates, one of each CA; needs GRPC_TLS_CA_PATH"),
        unset("GRPC_TLS_CLIENT_AUTH", "required or optional: whether a client must present a certificate; required if GRPC_TLS_CA_PATH is set"),
    ]),
    section("connections", &[
        set("GRPC_MAX_CONNECTIONS", "12000", "connections at once; never more than half of the files that may be open"),
        set("GRPC_MAX_CONNECTIONS_PER_ADDRESS", "1024", "connections at once from one address, or one network of /64 of IPv6"),
        set("GRPC_MAX_HANDSHAKES", "512", "connections being opened at once, from their first byte on; others wait for their turn"),
        set("GRPC_HANDSHAKE_TIMEOUT", "5", "seconds for opening a connection, up to the first settings of HTTP/2"),
        set("GRPC_HANDSHAKE_FAILURES_PER_MINUTE", "6000", "connections that fail before they are open, per address; beyond it the address gets none for a while"),
        set("GRPC_CONNECTION_MAX_AGE", "1800", "seconds, give or take a tenth, until a connection is asked to end; 0 for never"),
        set("GRPC_CONNECTION_MAX_AGE_GRACE", "70", "seconds from then until it is cut off"),
        set("GRPC_CONNECTION_IDLE", "300", "seconds without a call until a connection is asked to end; 0 for never"),
        set("GRPC_REQUEST_TIMEOUT", "30", "seconds a call may take, its message included; a poll besides its wait"),
        set("GRPC_REFLECTION", "true", "tell everybody what the protocol is"),
        unset("PROXY_PROTOCOL_FROM", "addresses and networks of proxies that must send a PROXY v2 header, and are believed"),
    ]),
    section("admin HTTP", &[
        set("ADMIN_ENABLED", "true", "serve the admin HTTP port"),
        set("ADMIN_HOST", "127.0.0.1", "its listen address"),
        set("ADMIN_PORT", "50052", "its listen port; 0 picks a free one and logs it"),
        unset("ADMIN_API", "serve the operator's API there, on a loopback address; true on memory, false on redis"),
    ]),
    section("authentication", &[
        set("AUTH_ENABLED", "true", "authenticate workers"),
        unset("API_KEYS_FILE", "JSON file of worker ids with the SHA-256 of their keys"),
        set("AUTH_CACHE_SECONDS", "30", "seconds for which an answer on a key, a worker or a token is believed"),
        set("AUTH_STALE_MAX", "600", "seconds for which old answers are believed while the database is away"),
        set("API_KEY_STORAGE", "plain", "what the database holds: the key itself (plain) or its hash (sha256)"),
        set("JWT_ALGORITHM", "HS256", "the one algorithm that bearer tokens may be signed with"),
        unset("JWT_SECRET_FILE", "file with the secret or public key that bearer tokens are verified with, or a JSON Web Key Set; without it none is accepted"),
        unset("JWT_ISSUER", "who must have issued them (iss)"),
        unset("JWT_AUDIENCE", "whom they must be for (aud)"),
        set("JWT_MAX_LIFETIME_SECONDS", "2592000", "seconds that a bearer token may be good for, from its issue to its end"),
        unset("SIGNING_KEYS_FILE", "JSON file of worker ids with the secrets that they sign with (x-signature)"),
        set("CERT_KNOWN_WORKERS_ONLY", "false", "accept client certificates only of workers that the database or API_KEYS_FILE knows"),
        set("AUTH_FAILURES_PER_MINUTE", "10", "failed attempts to authenticate, per address"),
    ]),
    section("rate limit", &[
        set("RATE_LIMIT_ENABLED", "true", "limit requests"),
        set("RATE_LIMIT_RATE", "100", "requests a second, per worker and class of them"),
        set("RATE_LIMIT_CAPACITY", "200", "requests at once, per worker and class of them"),
        unset("RATE_LIMIT_POLL_RATE", "polls a second, per worker; as RATE_LIMIT_RATE if unset"),
        unset("RATE_LIMIT_POLL_CAPACITY", "polls at once, per worker; as RATE_LIMIT_CAPACITY if unset"),
        unset("RATE_LIMIT_LOG_RATE", "requests that bring logs a second, per worker; as RATE_LIMIT_RATE if unset"),
        unset("RATE_LIMIT_LOG_CAPACITY", "requests that bring logs at once, per worker; as RATE_LIMIT_CAPACITY if unset"),
        set("RATE_LIMIT_LOG_BYTES", "16777216", "bytes of logs a second, per worker"),
        set("RATE_LIMIT_LOG_BYTES_CAPACITY", "67108864", "bytes of logs at once, per worker"),
        unset("RATE_LIMIT_GLOBAL_RATE", "requests a second, of all workers of this gateway together; unlimited if unset"),
        unset("RATE_LIMIT_STORE", "memory or redis: whether a worker's budget is for each gateway or for all of them; redis if GATEWAY_BACKEND is redis, else memory"),
    ]),
    section("tasks", &[
        set("TASK_MAX_DELIVERIES", "5", "deliveries of one task until it is dead-lettered"),
        set("TASK_MAX_RETURNS", "16", "times a task may be given back until it is dead-lettered"),
        set("TASK_LEASE_GRACE_SECONDS", "60", "seconds beyond a task's own timeout until it is delivered again"),
    ]),
    section("adapters", &[
        unset("GATEWAY_BACKEND", "memory or redis, for queue, logs, heartbeats and control; redis if REDIS_URL is set, else memory"),
        unset("RESULT_STORE", "memory, mysql or stream; mysql if DATABASE_URL is set, else memory"),
        set("RESULT_PUBLISH", "false", "also publish to Redis each result that is written to MySQL"),
        set("RESULT_SPOOL", "true", "keep results in Redis while MySQL is away; needs Redis"),
        set("RESULT_BATCH_MAX", "128", "results that share a transaction, at most"),
        set("RESULT_BATCH_WAIT_MS", "2", "milliseconds for which a result waits for others while others are being written"),
        set("RESULT_COMMIT_TIMEOUT_MS", "2000", "milliseconds until a result that is not committed is spooled, or refused"),
        set("RESULT_UNKNOWN_RUN_SECONDS", "3600", "seconds for which a spooled result waits for its run to be known, until it is dead-lettered"),
    ]),
    section("breakers", &[
        set("BREAKER_SLOW_MS", "1000", "milliseconds from which on a call to Redis or MySQL is as good as failed"),
    ]),
    section("memory", &[
        set("MEMORY_MAX_TASKS", "10000", "tasks waiting or held, all workers together"),
        set("MEMORY_MAX_RUNS", "20000", "runs remembered, those not ended among them"),
        set("MEMORY_MAX_WORKERS", "20000", "workers remembered"),
        set("MEMORY_LOG_LINES_PER_RUN", "200000", "log lines kept of one run"),
        set("MEMORY_LOG_BYTES", "268435456", "bytes of log lines kept, all runs together"),
        set("MEMORY_CHUNK_BYTES", "268435456", "bytes of log files kept, all runs together"),
        set("MEMORY_RESULT_BYTES", "268435456", "bytes of results kept, all runs together"),
    ]),
    section("Redis", &[
        set("REDIS_URL", "redis://localhost:6379/0", "redis, rediss, redis-cluster, rediss-cluster, redis-sentinel or rediss-sentinel").secret(),
        set("REDIS_NAMESPACE", "antcode", "prefix of every key"),
        set("REDIS_POOL_SIZE", "8", "connections for ordinary commands"),
        set("REDIS_COMMAND_TIMEOUT_MS", "2000", "milliseconds until a command counts as failed"),
        set("REDIS_DEAD_MAXLEN", "10000", "dead letters kept, about"),
        unset("REDIS_TLS_CA_PATH", "PEM bundle of CAs for the server's certificate, instead of the system's"),
        unset("REDIS_TLS_CERT_PATH", "PEM client certificate; needs the key"),
        unset("REDIS_TLS_KEY_PATH", "PEM private key of the client certificate; needs the certificate"),
    ]),
    section("MySQL", &[
        unset("DATABASE_URL", "mysql://user:password@host:3306/database").secret(),
        set("DATABASE_POOL_SIZE", "16", "connections to MySQL, at most"),
        set("DATABASE_MIGRATE", "false", "create what the gateway needs in the database at the start").flag("--migrate"),
        unset("DATABASE_TLS", "disabled, required (TLS, whoever answers) or verified (TLS, certificate and name checked); verified if DATABASE_TLS_CA_PATH is set, else disabled"),
        unset("DATABASE_TLS_CA_PATH", "PEM bundle of CAs for the server's certificate, instead of the system's"),
        set("DATABASE_TIMEZONE", "Asia/Shanghai", "zone of the database's DATETIME columns, as the Master reads them"),
    ]),
    section("log streams", &[
        set("LOG_STREAM_MAXLEN", "10000", "log lines kept in the stream of one run"),
        set("LOG_STREAM_TTL_SECONDS", "604800", "seconds after the last line until the stream expires"),
        set("LOG_CHUNK_STREAM_MAXLEN", "2000", "chunks kept in the stream of one run"),
        set("LOG_CHUNK_TTL_SECONDS", "604800", "seconds after the last chunk until the stream expires"),
    ]),
    section("audit", &[
        unset("AUDIT_FILE", "file that audit records go to, or - for stdout; without one they go to the gateway's own log"),
        set("AUDIT_FILE_MAX_BYTES", "104857600", "size from which on a new file is begun, in bytes"),
        set("AUDIT_FILES_KEPT", "10", "audit files kept besides the one that is written"),
        set("AUDIT_STREAM", "false", "also add audit events to a stream in Redis"),
        set("AUDIT_STREAM_MAXLEN", "100000", "events kept in that stream, about"),
    ]),
    section("the gateway's own log", &[
        set("LOG_LEVEL", "INFO", "TRACE, DEBUG, INFO, WARN, ERROR, or directives such as info,gateway_adapters=debug").flag("--debug"),
        set("LOG_FORMAT", "text", "text or json"),
    ]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_and_no_flag_has_two_rows() {
        let mut seen = BTreeSet::new();
        for setting in all() {
            assert!(seen.insert(setting.name), "{} twice", setting.name);
            assert!(setting.flag.is_none_or(|flag| seen.insert(flag)));
        }
    }

    #[test]
    fn every_name_fits_an_environment_variable() {
        for Setting { name, .. } in all() {
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'),
                "{name}"
            );
        }
    }
}
