//! From a socket to a connection that HTTP/2 is spoken over.

use std::io;
use std::net::IpAddr;

use tokio::net::TcpStream;

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

impl<S: Calls> Port<S> {
    /// Opens a connection. It takes as long as the peer lets it.
    pub(super) async fn open(
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
