//! The ways in: the workers' gRPC port, and the operator's HTTP port.

pub mod admin;
pub mod grpc;
pub mod tls;

mod readiness;

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

pub use readiness::Readiness;

/// Connections that wait to be accepted. When all workers come back at once, those for which there
/// is no place are reset by the system.
const BACKLOG: u32 = 4096;

/// Listens on `address`.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // What a process before us has left behind on the port does not keep us from it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
