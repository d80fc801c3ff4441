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
    /// Opens a connection, in its time. If it fails, that is held against where it is from.
    pub(super) async fn open(
        &self,
        socket: TcpStream,
        address: IpAddr,
        place: &Admission,
    ) -> Result<Opened, End> {
        // What a proxy sends on is not the proxy's fault.
        let mut origin = (!self.limits.believes(address)).then_some(address);
        let opened = self.open_in_time(socket, address, place, &mut origin).await;
        let failed = matches!(opened, Err(End::Closed | End::Failed | End::Overdue));
        if let Some(origin) = origin.filter(|_| failed) {
            self.failures.count(origin);
        }
        opened
    }

    /// A peer that has not said a word takes nobody's turn: a few that are silent hold up nobody,
    /// and many that come at once are opened one after the other.
    async fn open_in_time(
        &self,
        mut socket: TcpStream,
        address: IpAddr,
        place: &Admission,
        origin: &mut Option<IpAddr>,
    ) -> Result<Opened, End> {
        let patience = self.limits.handshake_timeout;
        let start = Instant::now();
        let heard = self.hear(&mut socket, address, place, origin);
        let peer = timeout_at(start + patience, heard).await??;
        let heard = Instant::now();
        let turn = timeout(patience, self.turn(peer, place)).await;
        let _turn = turn.map_err(|_| End::Refused)?;
        // What was spent waiting for us is not the peer's.
        let deadline = start + patience + heard.elapsed();
        timeout_at(deadline, self.shake_hands(socket, peer, place)).await?
    }

    /// Waits for the first word, and from whom it is: a proxy says that before.
    ///
    /// Who leaves without one may only have looked whether we are there, as load balancers do, and
    /// has not failed.
    async fn hear(
        &self,
        socket: &mut TcpStream,
        address: IpAddr,
        place: &Admission,
        origin: &mut Option<IpAddr>,
    ) -> Result<IpAddr, End> {
        let mut peer = address;
        if self.limits.believes(address) {
            *origin = proxy::read(socket).await?;
            peer = origin.unwrap_or(address);
            if origin.is_some_and(|origin| self.bars(origin)) {
                return Err(End::Barred);
            }
            if !place.count_for(peer) {
                return Err(End::Refused);
            }
        }
        if let Ok(1..) = socket.peek(&mut [0]).await {
            return Ok(peer);
        }
        *origin = None;
        Err(End::Closed)
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
