//! One connection after the other, also when the system has no room for more.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

/// How long nothing is accepted after the system had no room for a connection: at first, and at
/// most. Trying again at once would take a whole core and change nothing.
const BREATHER: Duration = Duration::from_millis(100);
const LONGEST_BREATHER: Duration = Duration::from_secs(1);

/// How often the log is told of it, at most.
const TELLING: Duration = Duration::from_secs(1);

/// When the system asks a peer of whom nothing is heard whether it is there, and how often; and
/// for how long what was sent may go unacknowledged.
const ASK_AFTER: Duration = Duration::from_mins(1);
const ASK_EVERY: Duration = Duration::from_secs(20);
const UNACKNOWLEDGED: Duration = Duration::from_secs(80);

/// Takes connections.
pub(super) struct Acceptor {
    listener: TcpListener,
    breather: Duration,
    told: Option<Instant>,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            breather: BREATHER,
            told: None,
        }
    }

    /// The next connection, and who is at the other end of it.
    pub(super) async fn next(&mut self) -> (TcpStream, IpAddr) {
        loop {
            match self.listener.accept().await {
                Ok((socket, address)) => {
                    self.breather = BREATHER;
                    prepare(&socket);
                    return (socket, address.ip().to_canonical());
                }
                Err(error) if is_of_the_peer(&error) => {
                    tracing::debug!(%error, "a connection was gone before it was accepted");
                }
                Err(error) => {
                    self.tell(&error);
                    sleep(self.breather).await;
                    self.breather = (self.breather * 2).min(LONGEST_BREATHER);
                }
            }
        }
    }

    fn tell(&mut self, error: &io::Error) {
        if self.told.is_none_or(|told| told.elapsed() >= TELLING) {
            self.told = Some(Instant::now());
            tracing::error!(%error, "no connection can be accepted");
        }
    }
}

/// Whether it is the connection that failed, not we.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// Sets what a connection of ours has. Where an option cannot be set, answers are late by a
/// moment, or a peer that is gone is noticed later, by a ping of HTTP/2.
fn prepare(socket: &TcpStream) {
    let _late = socket.set_nodelay(true);
    let socket = SockRef::from(socket);
    let keepalive = TcpKeepalive::new()
        .with_time(ASK_AFTER)
        .with_interval(ASK_EVERY);
    let _unnoticed = socket.set_tcp_keepalive(&keepalive);
    let _unnoticed = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}
