//! From a socket to a connection that HTTP/2 is spoken over.

use std::io;
use std::net::IpAddr;
use std::pin::pin;

use tokio::net::TcpStream;
use tokio::sync::SemaphorePermit;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::connection::Connection;
use super::census::Admission;
use super::preface::{self, Begun};
use super::{Calls, End, Port, proxy};
use crate::inbound::tls::{Secured, Stream};

/// A connection over which HTTP/2 has begun, and what is known of it.
pub(super) struct Opened {
    pub(super) stream: Begun<Box<dyn Stream>>,
    pub(super) known: Connection,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "connection not opened");
        let gone = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
        if gone.contains(&error.kind()) {
            Self::Closed
        } else {
            Self::Failed
        }
    }
}

impl From<Elapsed> for End {
    fn from(_: Elapsed) -> Self {
        Self::Overdue
    }
}

impl<S: Calls> Port<S> {
    /// Opens a connection, in its time.
    ///
    /// A peer that has not said a word takes nobody's turn: a few that are silent hold up nobody,
    /// and many that come at once are opened one after the other.
    pub(super) async fn open(
        &self,
        socket: TcpStream,
        address: IpAddr,
        place: &mut Admission,
    ) -> Result<Opened, End> {
        let patience = self.limits.handshake_timeout;
        let start = Instant::now();
        timeout(patience, socket.readable()).await??;
        let heard = Instant::now();
        let _turn = timeout(patience, self.turn(place)).await?;
        // What was spent waiting for us is not the peer's.
        let deadline = start + patience + heard.elapsed();
        timeout_at(deadline, self.shake_hands(socket, address, place)).await?
    }

    /// Waits for its turn. Who takes long while others wait loses its own.
    async fn turn(&self, place: &Admission) -> Option<SemaphorePermit<'_>> {
        let long = self.limits.handshake_turn;
        let mut turn = pin!(self.handshakes.acquire());
        loop {
            if let Ok(turn) = timeout(long, turn.as_mut()).await {
                place.turn();
                return turn.ok();
            }
            place.hurry(long);
        }
    }

    /// Comes to terms with the peer. It takes as long as that lets it.
    async fn shake_hands(
        &self,
        mut socket: TcpStream,
        address: IpAddr,
        place: &mut Admission,
    ) -> Result<Opened, End> {
        let mut peer = address;
        if self.limits.believes(address) {
            peer = proxy::read(&mut socket).await?.unwrap_or(address);
            if !place.count_for(peer) {
                return Err(End::Refused);
            }
        }
        let Secured {
            stream,
            certificate,
        } = match &self.tls {
            Some(tls) => tls.accept(socket, peer).await?,
            None => Secured {
                stream: Box::new(socket),
                certificate: None,
            },
        };
        let stream = preface::begin(stream).await?;
        if !place.opened() {
            return Err(End::Crowded);
        }
        let known = Connection {
            peer: Some(peer),
            certificate,
        };
        Ok(Opened { stream, known })
    }
}
