//! Where connections come in.

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_stream::Stream;

/// How long nothing is accepted after the system had no room for a connection. Trying again at
/// once would take a whole core and change nothing.
const BREATHER: Duration = Duration::from_millis(100);

/// The connections that come in on `listener`, for ever.
pub(super) fn connections(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    futures::stream::unfold(listener, |listener| async move {
        let connection = accept(&listener).await;
        Some((Ok(connection), listener))
    })
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                // Answers are short and somebody waits for them. Where the option cannot be set,
                // they are late by a moment.
                let _late = connection.set_nodelay(true);
                return connection;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(BREATHER).await;
            }
        }
    }
}
