use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::super::choice::Backend;
use super::super::parse::{self, DAY, Parsed};
use super::super::reader::Reader;

/// The port that workers call.
#[derive(Clone, Debug)]
pub struct Grpc {
    /// Whether it is served at all.
    pub enabled: bool,
    /// Listen address.
    pub host: IpAddr,
    /// Listen port; 0 picks a free one.
    pub port: u16,
    /// Runtime threads, at most; see [`Grpc::threads`].
    pub max_workers: usize,
    /// Calls in flight on one connection. Too few and a busy worker's polls wait for each other;
    /// too many and one connection can fill the memory.
    pub max_concurrent_streams: u32,
    /// Calls under way that do not wait. Too few and an outage of a backend, which makes calls slow,
    /// turns workers away; too many and they fill the memory.
    pub max_calls: usize,
    /// The same of one worker: calls that bring logs, and all others.
    pub max_calls_per_worker: usize,
    /// Polls of one worker that wait, of each kind, and live channels.
    pub max_polls_per_worker: usize,
    /// What messages under way may weigh, in bytes. Too little and large results wait for each
    /// other; too much and they fill the memory.
    pub max_bytes: usize,
    /// The same of one worker.
    pub max_bytes_per_worker: usize,
    /// What workers are told at registration.
    pub heartbeat_interval: Duration,
    /// Silence after which a worker counts as gone; always longer than the interval.
    pub heartbeat_timeout: Duration,
    /// Between pings on a worker's stream.
    pub ping_interval: Duration,
    /// For which health says at shutdown that it is coming. Shorter than a load balancer takes to
    /// notice, and it sends workers to a door that is shut.
    pub drain_delay: Duration,
    /// Given to calls in flight at shutdown; zero cuts them off.
    pub shutdown_grace: Duration,
    /// TLS, if it is to be spoken.
    pub tls: Option<Tls>,
}

/// The files that TLS needs, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Our certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What client certificates are verified with, if they are.
    pub clients: Option<ClientTls>,
}

/// The files that client certificates are verified with, as PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// Whose certificates are accepted.
    pub ca: PathBuf,
    /// Which of them are not, any more.
    pub crl: Option<PathBuf>,
    /// Whether a client must present one.
    pub required: bool,
}

impl Grpc {
    pub(in crate::host::config) fn read(from: &mut Reader) -> Self {
        Self {
            enabled: from.get("GRPC_ENABLED", parse::switch),
            host: from.get("GRPC_HOST", parse::host),
            port: from.get("GRPC_PORT", parse::port),
            max_workers: from.get("GRPC_MAX_WORKERS", parse::whole(1..=1024)),
            max_concurrent_streams: from
                .get("GRPC_MAX_CONCURRENT_STREAMS", parse::whole(1..=65_536)),
            max_calls: from.get("GRPC_MAX_CALLS", parse::whole(4..=1_000_000)),
            max_calls_per_worker: from.get("GRPC_MAX_CALLS_PER_WORKER", parse::whole(1..=65_536)),
            max_polls_per_worker: from.get("GRPC_MAX_POLLS_PER_WORKER", parse::whole(1..=1024)),
            max_bytes: from.get("GRPC_MAX_BYTES", bytes),
            max_bytes_per_worker: from.get("GRPC_MAX_BYTES_PER_WORKER", bytes),
            heartbeat_interval: from.get("GRPC_HEARTBEAT_INTERVAL", parse::seconds(1..=DAY)),
            heartbeat_timeout: from.get("GRPC_HEARTBEAT_TIMEOUT", parse::seconds(1..=7 * DAY)),
            ping_interval: from.get("GRPC_PING_INTERVAL_SECONDS", parse::seconds(1..=DAY)),
            drain_delay: from.get("GRPC_DRAIN_DELAY", parse::grace),
            shutdown_grace: from.get("GRPC_SHUTDOWN_GRACE_PERIOD", parse::grace),
            tls: Tls::read(from),
        }
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }

    /// The runtime threads to start: no more than this machine has cores.
    pub fn threads(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.max_workers.min(cores)
    }
}

/// No less than the largest message, and no more than can be counted.
fn bytes(text: &str) -> Parsed<usize> {
    parse::whole(64 << 20..=1 << 40)(text)
}

impl Tls {
    fn read(from: &mut Reader) -> Option<Self> {
        let certificate = from.find("GRPC_TLS_CERT_PATH", parse::path);
        let key = from.find("GRPC_TLS_KEY_PATH", parse::path);
        let clients = ClientTls::read(from);
        Some(Self {
            certificate: certificate?,
            key: key?,
            clients,
        })
    }
}

impl ClientTls {
    fn read(from: &mut Reader) -> Option<Self> {
        const AUTH: &str = "GRPC_TLS_CLIENT_AUTH";
        let ca = from.find("GRPC_TLS_CA_PATH", parse::path);
        let crl = from.find("GRPC_TLS_CRL_PATH", parse::path);
        let required = parse::one_of(&[("required", true), ("optional", false)]);
        let required = from.find(AUTH, required);
        let ca = ca?;
        from.chosen(AUTH, "required", "default with GRPC_TLS_CA_PATH");
        Some(Self {
            ca,
            crl,
            required: required.unwrap_or(true),
        })
    }
}

/// The operator's HTTP port.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Whether it is served.
    pub enabled: bool,
    /// Listen address.
    pub host: IpAddr,
    /// Listen port; 0 picks a free one.
    pub port: u16,
    /// Whether the operator's API is to be there, beside the probes; see [`Admin::serves_api`].
    pub api: bool,
}

impl Admin {
    /// Reads it; the choice of the backend must have been read before.
    pub(in crate::host::config) fn read(from: &mut Reader, backend: Backend) -> Self {
        Self {
            enabled: from.get("ADMIN_ENABLED", parse::switch),
            host: from.get("ADMIN_HOST", parse::host),
            port: from.get("ADMIN_PORT", parse::port),
            api: api(from, backend),
        }
    }

    /// Whether the operator's API is served: nobody proves who they are there, so it stays on this
    /// machine.
    pub fn serves_api(&self) -> bool {
        self.enabled && self.api && self.host.is_loopback()
    }

    /// Where to listen, and where the tools find the local Master.
    pub fn address(&self) -> SocketAddr {
        (self.host, self.port).into()
    }
}

/// Where Redis is shared, the platform's Master does what the API is for; it is there on demand.
fn api(from: &mut Reader, backend: Backend) -> bool {
    const NAME: &str = "ADMIN_API";
    if let Some(api) = from.find(NAME, parse::switch) {
        return api;
    }
    let (api, shown, why) = match backend {
        Backend::Memory => (true, "true", "default on memory"),
        Backend::Redis => (false, "false", "default on redis"),
    };
    from.chosen(NAME, shown, why);
    api
}
