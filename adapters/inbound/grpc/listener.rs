//! Where connections come in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use super::connection::Connection;

/// How long nothing is accepted after the system had no room for a connection. Trying again at
/// once would take a whole core and change nothing.
const BREATHER: Duration = Duration::from_millis(100);

/// The connections that come in on `listener`, for ever.
pub(super) fn connections(listener: TcpListener) -> impl Stream<Item = io::Result<Incoming>> {
    futures::stream::unfold(listener, |listener| async move {
        let connection = accept(&listener).await;
        Some((Ok(connection), listener))
    })
}

async fn accept(listener: &TcpListener) -> Incoming {
    loop {
        match listener.accept().await {
            Ok((connection, peer)) => {
                // Answers are short and somebody waits for them. Where the option cannot be set,
                // they are late by a moment.
                let _late = connection.set_nodelay(true);
                let known = Connection {
                    peer: Some(peer.ip()),
                    certificate: None,
                };
                return Incoming {
                    stream: connection,
                    known,
                };
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(BREATHER).await;
            }
        }
    }
}

/// A connection with what is known of it.
pub(super) struct Incoming {
    stream: TcpStream,
    known: Connection,
}

impl Connected for Incoming {
    type ConnectInfo = Connection;

    fn connect_info(&self) -> Connection {
        self.known.clone()
    }
}

impl AsyncRead for Incoming {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
