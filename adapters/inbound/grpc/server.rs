//! The server: puts the parts of the port together, and takes them down in good order.

use std::time::Duration;

use gateway_core::app::Gateway;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::super::readiness::Readiness;
use super::access::AccessLayer;
use super::calls::Calls;
use super::caps::{self, Caps};
use super::proto::gateway_service_server::{GatewayServiceServer, SERVICE_NAME};
use super::service::Service;
use super::{DESCRIPTORS, listener, stream};

/// The largest message either way, in bytes. The field's workers count on it.
const MAX_MESSAGE: usize = 50 * 1024 * 1024;

/// What a header may weigh, in bytes.
const MAX_HEADERS: u32 = 16 * 1024;

/// What may be under way to us unread: on one stream, and on one connection, in bytes. Times the
/// connections this is memory, so it is no more than a large result needs to flow.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Peers that are gone without a word are noticed after the sum of these.
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Resets that a client may cause, or leave unread, before its connection is closed.
const MAX_LOCAL_RESETS: usize = 1024;
const MAX_PENDING_RESETS: usize = 20;

/// How long connections get to carry the last answers away, once all calls have ended.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What the port goes by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether callers are believed without proof.
    pub open: bool,
    /// How often a worker is to give a sign of life.
    pub heartbeat_interval: Duration,
    /// How long a live channel may be silent.
    pub heartbeat_timeout: Duration,
    /// How often a ping goes out on a live channel.
    pub ping_interval: Duration,
    /// Calls on one connection at once.
    pub max_concurrent_streams: u32,
    /// Calls under way that do not wait, of all workers together; beyond it they are refused.
    pub max_calls: usize,
    /// The same of one worker.
    pub max_calls_per_worker: usize,
    /// Polls of one worker that wait, of each kind.
    pub max_polls_per_worker: usize,
    /// How long calls in flight get when the gateway leaves.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            open: false,
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(90),
            ping_interval: Duration::from_secs(30),
            max_concurrent_streams: 256,
            max_calls: 4096,
            max_calls_per_worker: 64,
            max_polls_per_worker: 4,
            grace: Duration::from_secs(5),
        }
    }
}

/// Why the port was closed, if not because it was to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The transport broke down.
    #[error("serving gRPC failed")]
    Transport(#[from] tonic::transport::Error),
    /// The protocol's description is not what the compiler made.
    #[error("the protocol cannot be described")]
    Description(#[from] tonic_reflection::server::Error),
}

/// Serves `gateway` on `listener`, in the health that `readiness` tells, until `shutdown`, and then until the calls in flight have ended
/// or the grace is over, whichever is first.
pub async fn serve(
    listener: TcpListener,
    gateway: Gateway,
    settings: Settings,
    readiness: Readiness,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let stop = CancellationToken::new();
    let in_flight = TaskTracker::new();
    let door = AccessLayer {
        access: gateway.access.clone(),
        open: settings.open,
        calls: in_flight.clone(),
        caps: caps(&settings),
    };
    let service = Service {
        open: settings.open,
        calls: calls(gateway, &settings, &stop, &in_flight),
    };
    let (health, health_service) = tonic_health::server::health_reporter();
    let router = transport(&settings)
        .layer(door)
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(
            GatewayServiceServer::new(service)
                .max_decoding_message_size(MAX_MESSAGE)
                .max_encoding_message_size(MAX_MESSAGE),
        );

    let connections = listener::connections(listener);
    let server = router.serve_with_incoming_shutdown(connections, stop.cancelled());
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        () = readiness.follow(|ready| set_ready(&health, ready)) => {}
        () = shutdown => {}
    }
    // Load balancers look elsewhere first; only then is the door shut.
    set_serving(&health, ServingStatus::NotServing).await;
    stop.cancel();
    in_flight.close();
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        drained = timeout(settings.grace, in_flight.wait()) => {
            if drained.is_err() {
                tracing::warn!(calls = in_flight.len(), "calls did not end within the grace period");
            }
        }
    }
    // Whoever holds a connection open without a call does not hold us up.
    match timeout(LAST_WORDS, server).await {
        Ok(ended) => Ok(ended?),
        Err(_) => Ok(()),
    }
}

fn calls(
    gateway: Gateway,
    settings: &Settings,
    stop: &CancellationToken,
    in_flight: &TaskTracker,
) -> Calls {
    Calls {
        gateway,
        stream: stream::Settings {
            ping_interval: settings.ping_interval,
            silence: settings.heartbeat_timeout,
        },
        heartbeat_interval: settings.heartbeat_interval,
        stop: stop.clone(),
        in_flight: in_flight.clone(),
    }
}

fn caps(settings: &Settings) -> Caps {
    Caps::new(caps::Settings {
        calls: settings.max_calls,
        calls_per_worker: settings.max_calls_per_worker,
        polls_per_worker: settings.max_polls_per_worker,
    })
}

/// The transport with its limits. Both limits on resets are off in tonic unless they are set.
fn transport(settings: &Settings) -> Server {
    Server::builder()
        .max_concurrent_streams(settings.max_concurrent_streams)
        .http2_max_local_error_reset_streams(Some(MAX_LOCAL_RESETS))
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_header_list_size(MAX_HEADERS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

async fn set_ready(health: &HealthReporter, ready: bool) {
    let status = if ready {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    set_serving(health, status).await;
}

async fn set_serving(health: &HealthReporter, status: ServingStatus) {
    for service in ["", SERVICE_NAME] {
        health.set_service_status(service, status).await;
    }
}
