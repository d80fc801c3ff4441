use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use gateway_core::ports::Clock;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;

use super::server;
use super::trust::Trust;

/// The trust in force, and whatever becomes of it.
pub(super) type Trusted = watch::Receiver<Option<Arc<Trust>>>;

/// A connection whose client presented a certificate: it breaks off once that counts no more.
pub(super) struct Watched {
    inner: TlsStream<TcpStream>,
    /// Ends when the certificate was refused; gone after that.
    refusal: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Watched {
    pub(super) fn new(
        inner: TlsStream<TcpStream>,
        chain: Vec<CertificateDer<'static>>,
        trusted: Trusted,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            inner,
            refusal: Some(Box::pin(refused(chain, trusted, clock))),
        }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(refusal) = &mut self.refusal
            && refusal.as_mut().poll(cx).is_pending()
        {
            return Ok(());
        }
        self.refusal = None;
        tracing::info!("a connection is cut off: its client's certificate counts no more");
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the client's certificate counts no more",
        ))
    }
}

/// Waits for a trust that does not accept `chain`.
async fn refused(chain: Vec<CertificateDer<'static>>, mut trusted: Trusted, clock: Arc<dyn Clock>) {
    while trusted.changed().await.is_ok() {
        let trust = trusted.borrow_and_update().clone();
        if !trust.is_some_and(|trust| trust.accepts(&chain, server::now(&*clock))) {
            return;
        }
    }
    // Whoever could have withdrawn the trust is gone.
    std::future::pending::<()>().await;
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.refusal.is_none() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
