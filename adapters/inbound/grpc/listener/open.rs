//! From a socket to a connection that HTTP/2 is spoken over.

use std::io;
use std::net::IpAddr;
use std::pin::pin;

use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::connection::Connection;
use super::census::Admission;
use super::preface::{self, Begun};
use super::turns::Turn;
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
        mut socket: TcpStream,
        address: IpAddr,
        place: &Admission,
    ) -> Result<Opened, End> {
        let patience = self.limits.handshake_timeout;
        let start = Instant::now();
        let peer = timeout_at(start + patience, self.hear(&mut socket, address, place)).await??;
        let heard = Instant::now();
        let _turn = timeout(patience, self.turn(peer, place)).await?;
        // What was spent waiting for us is not the peer's.
        let deadline = start + patience + heard.elapsed();
        timeout_at(deadline, self.shake_hands(socket, peer, place)).await?
    }

    /// Waits for the first word, and from whom it is: a proxy says that before.
    async fn hear(
        &self,
        socket: &mut TcpStream,
        address: IpAddr,
        place: &Admission,
    ) -> Result<IpAddr, End> {
        let mut peer = address;
        if self.limits.believes(address) {
            peer = proxy::read(socket).await?.unwrap_or(address);
            if !place.count_for(peer) {
                return Err(End::Refused);
            }
        }
        match socket.peek(&mut [0]).await? {
            0 => Err(End::Closed),
            _ => Ok(peer),
        }
    }

    /// Waits for its turn. Who takes long while others wait loses its own.
    async fn turn(&self, peer: IpAddr, place: &Admission) -> Turn<'_> {
        let long = self.limits.handshake_turn;
        let mut turn = pin!(self.turns.take(peer));
        loop {
            if let Ok(turn) = timeout(long, turn.as_mut()).await {
                place.turn();
                return turn;
            }
            place.hurry(long);
        }
    }

    /// Comes to terms with the peer. It takes as long as that lets it.
    async fn shake_hands(
        &self,
        socket: TcpStream,
        peer: IpAddr,
        place: &Admission,
    ) -> Result<Opened, End> {
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
            standing: Some(place.standing()),
        };
        Ok(Opened { stream, known })
    }
}
