//! What secures the connections of the workers' port.

mod acceptor;
mod expiry;
mod faults;
mod files;
mod lists;
mod names;
mod server;
mod stream;
mod trust;

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use gateway_core::domain::identity::Certificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use self::acceptor::Acceptor;
pub use self::expiry::Expiries;
pub use self::files::{ClientAuth, ClientFiles, File, Files, LoadError};

/// Makes an accepted connection a secured one.
#[async_trait]
pub trait Handshake: Send + Sync {
    /// Shakes hands over `socket`; it takes as long as the peer lets it, so the caller limits it.
    /// `peer` is who is at the other end, for the audit.
    async fn accept(&self, socket: TcpStream, peer: IpAddr) -> io::Result<Secured>;
}

impl fmt::Debug for dyn Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

/// A connection after its handshake.
pub struct Secured {
    /// What is sent over it, in plain.
    pub stream: Box<dyn Stream>,
    /// The client's certificate, if it showed one and it was verified.
    pub certificate: Option<Arc<Certificate>>,
}

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
