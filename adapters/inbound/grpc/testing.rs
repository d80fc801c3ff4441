//! The port without a socket, and what reads its headers, for those who fuzz it.

use std::convert::Infallible;
use std::time::Duration;

use gateway_core::app::Gateway;
use gateway_core::domain::Invalid;
use gateway_core::domain::identity::Presented;
use http::request::Parts;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tower::{Layer as _, Service as TowerService};

use super::access::AccessLayer;
use super::calls::Calls;
use super::caps::{self, Caps};
use super::guard::GuardLayer;
use super::measured::MeasureLayer;
use super::proto::gateway_service_server::GatewayServiceServer;
use super::server::MAX_MESSAGE;
use super::service::Service;
use super::{credentials, deadline, stream};

/// The calls of `gateway`, as they stand behind a connection.
pub(crate) fn port(
    gateway: Gateway,
    open: bool,
) -> impl TowerService<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone {
    let calls = TaskTracker::new();
    let door = AccessLayer {
        access: gateway.access.clone(),
        open,
        calls: calls.clone(),
        caps: Caps::new(caps::Settings {
            calls: usize::MAX >> 4,
            calls_per_worker: usize::MAX >> 4,
            polls_per_worker: usize::MAX >> 4,
            bytes: usize::MAX >> 4,
            bytes_per_worker: usize::MAX >> 4,
        }),
        registration_timeout: Duration::from_secs(5),
    };
    let service = Service {
        open,
        calls: Calls {
            gateway,
            stream: stream::Settings {
                ping_interval: Duration::from_secs(30),
                silence: Duration::from_secs(90),
                renewal: Duration::from_secs(30),
            },
            heartbeat_interval: Duration::from_secs(30),
            stop: CancellationToken::new(),
            in_flight: calls,
        },
    };
    let server = GatewayServiceServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    let guard = GuardLayer {
        timeout: Duration::from_secs(30),
    };
    MeasureLayer::new().layer(guard.layer(door.layer(server)))
}

/// What the headers of a call say of its maker.
pub(crate) fn presented(parts: &Parts, open: bool) -> Result<Presented, Invalid> {
    credentials::presented(parts, open)
}

/// How long the headers of a call give it.
pub(crate) fn deadline(parts: &Parts) -> Option<Duration> {
    deadline::told(&parts.headers)
}
