//! Where connections come in, and how long each may stay.
//!
//! One loop [accepts](accept). Each connection then has a task of its own, which opens it (the
//! header of a [proxy], TLS, the [beginning](preface) of HTTP/2) and [drives](drive) it until
//! either side has had enough. The [census] knows how many there are, and whose turn it is to go
//! when they are too many; an address whose connections [fail](failures) before they are open gets
//! none for a while. What comes over a connection are [requests], whose messages are
//! [taken](drained) even where nobody wants them.

mod accept;
mod activity;
mod census;
mod drained;
mod drive;
mod failures;
mod limits;
mod open;
mod preface;
mod proxy;
mod requests;
mod turns;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use gateway_core::app::Access;
use http::{Request, Response};
use metrics::counter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tower::Service;

use self::accept::Acceptor;
pub(super) use self::census::Standing;
use self::census::{Admission, Census};
use self::failures::Barred;
pub(super) use self::failures::Failures;
pub use self::limits::Limits;
pub(super) use self::turns::Turns;
use crate::inbound::tls::Handshake;
use crate::metrics::CONNECTIONS_ENDED;

/// What answers the calls that come over connections.
pub(super) trait Calls:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Calls for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Why a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The peer closed it.
    Closed,
    /// It broke, or what the peer said made no sense, or was too much.
    Failed,
    /// The peer did not answer a ping.
    Silent,
    /// It was not opened in time.
    Overdue,
    /// Another needed its place, and nobody had proven over it who it is.
    Crowded,
    /// There was no place for it, or it waited for its turn for too long.
    Refused,
    /// Others of its address have failed too often.
    Barred,
    /// No call was made over it for too long.
    Idle,
    /// It was old.
    Aged,
    /// The gateway leaves.
    Shutdown,
}

impl End {
    fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Silent => "silent",
            Self::Overdue => "overdue",
            Self::Crowded => "crowded",
            Self::Refused => "refused",
            Self::Barred => "barred",
            Self::Idle => "idle",
            Self::Aged => "aged",
            Self::Shutdown => "shutdown",
        }
    }
}

/// The port, as all of its connections share it.
pub(super) struct Port<S> {
    /// What answers.
    pub(super) calls: S,
    /// What connections may take.
    pub(super) limits: Limits,
    /// Calls on one connection at once.
    pub(super) max_concurrent_streams: u32,
    /// What secures connections, if anything does.
    pub(super) tls: Option<Arc<dyn Handshake>>,
    /// What of each address has failed.
    pub(super) failures: Failures,
    /// Who takes down that it was too much.
    pub(super) access: Arc<Access>,
    /// Cancelled when the gateway is about to leave.
    pub(super) stop: CancellationToken,
    /// Cancelled when it leaves: what is still open then is cut off.
    pub(super) cut: CancellationToken,
    /// The connections.
    pub(super) tasks: TaskTracker,
    /// Turns to be opened.
    pub(super) turns: Turns,
    /// Places for calls that go on for ever and that anybody may make.
    pub(super) watches: Arc<Semaphore>,
}

impl<S: Calls> Port<S> {
    /// Takes what comes in on `listener`, until the gateway is about to leave.
    pub(super) async fn serve(self, listener: TcpListener) {
        let port = Arc::new(self);
        let census = Arc::new(Census::new(&port.limits));
        let mut acceptor = Acceptor::new(listener);
        loop {
            let (socket, address) = tokio::select! {
                () = port.stop.cancelled() => return,
                accepted = acceptor.next() => accepted,
            };
            let proxy = port.limits.believes(address);
            if !proxy && port.bars(address) {
                tell(address, End::Barred);
                continue;
            }
            match census.admit(address, proxy) {
                Some(place) => drop(port.tasks.spawn(port.clone().hold(socket, address, place))),
                None => tell(address, End::Refused),
            }
        }
    }

    /// Whether connections of `address` have failed too often of late.
    fn bars(&self, address: IpAddr) -> bool {
        let Err(Barred { newly }) = self.failures.check(address) else {
            return false;
        };
        if newly {
            self.access.note_barred(address);
        }
        true
    }

    /// Keeps a connection until it ends, or its place is needed for another.
    async fn hold(self: Arc<Self>, socket: TcpStream, address: IpAddr, place: Admission) {
        let crowded = place.crowded();
        let end = tokio::select! {
            () = crowded.cancelled() => End::Crowded,
            end = self.open_and_drive(socket, address, &place) => end,
        };
        tell(address, end);
    }

    /// Opens a connection, and drives it to its end.
    async fn open_and_drive(&self, socket: TcpStream, address: IpAddr, place: &Admission) -> End {
        let opened = tokio::select! {
            () = self.stop.cancelled() => Err(End::Shutdown),
            opened = self.open(socket, address, place) => opened,
        };
        match opened {
            Ok(opened) => self.drive(opened).await,
            Err(end) => end,
        }
    }
}

fn tell(address: IpAddr, end: End) {
    let reason = end.label();
    counter!(CONNECTIONS_ENDED, "reason" => reason).increment(1);
    tracing::debug!(%address, reason, "connection ended");
}

#[cfg(test)]
mod fuzz;
