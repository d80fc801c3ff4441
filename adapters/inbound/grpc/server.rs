//! The server: puts the parts of the port together, and takes them down in good order.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::app::Gateway;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Layer as _;

use super::super::readiness::Readiness;
use super::super::tls::Handshake;
use super::access::AccessLayer;
use super::calls::Calls;
use super::caps::{self, Caps};
use super::guard::GuardLayer;
use super::listener::{Failures, Limits, Port, Turns};
use super::measured::MeasureLayer;
use super::proto::gateway_service_server::{GatewayServiceServer, SERVICE_NAME};
use super::service::Service;
use super::{DESCRIPTORS, stream};

/// The largest message either way, in bytes. The field's workers count on it.
pub(super) const MAX_MESSAGE: usize = 50 * 1024 * 1024;

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
    /// The same of one worker: calls that bring logs, and all others.
    pub max_calls_per_worker: usize,
    /// Polls of one worker that wait, of each kind, and live channels.
    pub max_polls_per_worker: usize,
    /// What messages of some size may weigh that are under way, of all workers together, in bytes.
    pub max_bytes: usize,
    /// The same of one worker.
    pub max_bytes_per_worker: usize,
    /// For how long an answer on a credential is believed: so often those of live channels are
    /// looked at anew.
    pub credential_cache: Duration,
    /// How long a registration may take to say whose it is.
    pub registration_timeout: Duration,
    /// For how long health tells that the gateway leaves before it does, so that load balancers look
    /// elsewhere first.
    pub drain_delay: Duration,
    /// How long calls in flight get when the gateway leaves.
    pub grace: Duration,
    /// What connections may take.
    pub limits: Limits,
    /// What secures connections; without it they are in plain.
    pub tls: Option<Arc<dyn Handshake>>,
    /// Whether everybody may ask for the description of the protocol.
    pub reflection: bool,
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
            max_bytes: 512 << 20,
            max_bytes_per_worker: 128 << 20,
            credential_cache: Duration::from_secs(30),
            registration_timeout: Duration::from_secs(5),
            drain_delay: Duration::ZERO,
            grace: Duration::from_secs(5),
            limits: Limits::default(),
            tls: None,
            reflection: true,
        }
    }
}

/// Why the port was closed, if not because it was to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The protocol's description is not what the compiler made.
    #[error("the protocol cannot be described")]
    Description(#[from] tonic_reflection::server::Error),
}

/// Serves `gateway` on `listener`, in the health that `readiness` tells, until `shutdown` and the
/// delay that is to come then; and then until the calls in flight and the connections have ended or
/// the grace is over, whichever is first.
pub async fn serve(
    listener: TcpListener,
    gateway: Gateway,
    settings: Settings,
    readiness: Readiness,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
    let (in_flight, connections) = (TaskTracker::new(), TaskTracker::new());
    // Whoever stops waiting for us wants nothing of us to go on.
    let _ended = (stop.clone().drop_guard(), cut.clone().drop_guard());
    let (health, access) = (HealthReporter::new(), gateway.access.clone());
    let door = AccessLayer {
        access: access.clone(),
        open: settings.open,
        calls: in_flight.clone(),
        caps: caps(&settings),
        registration_timeout: settings.registration_timeout,
    };
    let service = Service {
        open: settings.open,
        calls: calls(gateway, &settings, &stop, &in_flight),
    };
    let guard = guard(&settings);
    let routes = routes(&health, service, settings.reflection)?;
    let port = Port {
        calls: MeasureLayer::new().layer(guard.layer(door.layer(routes))),
        max_concurrent_streams: settings.max_concurrent_streams,
        watches: Arc::new(Semaphore::new(settings.limits.max_connections)),
        failures: Failures::new(settings.limits.handshake_failures_per_minute),
        access,
        turns: Turns::new(settings.limits.max_handshakes),
        limits: settings.limits,
        tls: settings.tls,
        stop: stop.clone(),
        cut: cut.clone(),
        tasks: connections.clone(),
    };
    connections.spawn(port.serve(listener));
    tokio::select! {
        () = readiness.follow(|ready| set_ready(&health, ready)) => {}
        () = shutdown => {}
    }
    // Load balancers look elsewhere first; only then is the door shut.
    set_serving(&health, ServingStatus::NotServing).await;
    sleep(settings.drain_delay).await;
    stop.cancel();
    leave(&in_flight, &connections, settings.grace, &cut).await;
    Ok(())
}

/// Waits for the calls in flight, and for the connections they came over, but not for ever.
async fn leave(
    in_flight: &TaskTracker,
    connections: &TaskTracker,
    grace: Duration,
    cut: &CancellationToken,
) {
    in_flight.close();
    connections.close();
    let drained = async { tokio::join!(connections.wait(), in_flight.wait()) };
    if timeout(grace, drained).await.is_err() {
        if !in_flight.is_empty() {
            let calls = in_flight.len();
            tracing::warn!(calls, "calls did not end within the grace period");
        }
        cut.cancel();
        connections.wait().await;
    }
}

/// Where each call leads.
fn routes(
    health: &HealthReporter,
    service: Service,
    reflection: bool,
) -> Result<Routes, ServeError> {
    let health = HealthService::from_health_reporter(health.clone());
    let gateway = GatewayServiceServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let mut routes = Routes::new(gateway).add_service(HealthServer::new(health));
    if reflection {
        routes = routes
            .add_service(description().build_v1()?)
            .add_service(description().build_v1alpha()?);
    }
    Ok(routes.prepare())
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
            renewal: settings.credential_cache,
        },
        heartbeat_interval: settings.heartbeat_interval,
        stop: stop.clone(),
        in_flight: in_flight.clone(),
    }
}

fn guard(settings: &Settings) -> GuardLayer {
    GuardLayer {
        timeout: settings.limits.request_timeout,
    }
}

fn caps(settings: &Settings) -> Caps {
    Caps::new(caps::Settings {
        calls: settings.max_calls,
        calls_per_worker: settings.max_calls_per_worker,
        polls_per_worker: settings.max_polls_per_worker,
        bytes: settings.max_bytes,
        bytes_per_worker: settings.max_bytes_per_worker,
    })
}

fn description() -> tonic_reflection::server::Builder<'static> {
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
