use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_core::ports::Clock;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::server::TlsStream;
use x509_parser::parse_x509_certificate;

use super::server;
use super::trust::Trust;

/// The trust in force, and whatever becomes of it.
pub(super) type Trusted = watch::Receiver<Option<Arc<Trust>>>;

/// How often the time of day is looked at, at least.
const LOOK: Duration = Duration::from_mins(1);

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
        let end = next_end(&chain, &*clock);
        Self {
            inner,
            refusal: Some(Box::pin(refused(chain, end, trusted, clock))),
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

/// Waits until `chain` is not accepted: for a trust that does not, or for the `end` of what is next
/// to end of it.
async fn refused(
    chain: Vec<CertificateDer<'static>>,
    mut end: Option<i64>,
    mut trusted: Trusted,
    clock: Arc<dyn Clock>,
) {
    let mut watched = true;
    loop {
        tokio::select! {
            // Whoever could have withdrawn the trust may be gone.
            changed = trusted.changed(), if watched => watched = changed.is_ok(),
            () = reached(end, &*clock) => {}
        }
        let trust = trusted.borrow_and_update().clone();
        if !trust.is_some_and(|trust| trust.accepts(&chain, server::now(&*clock))) {
            return;
        }
        end = next_end(&chain, &*clock);
    }
}

/// The next second in which one of `chain` is not good any more.
fn next_end(chain: &[CertificateDer<'_>], clock: &dyn Clock) -> Option<i64> {
    let now = clock.now().as_second();
    let ends = chain.iter().filter_map(|certificate| {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        // In its last second it is still good.
        certificate.validity().not_after.timestamp().checked_add(1)
    });
    ends.filter(|&end| end > now).min()
}

async fn reached(end: Option<i64>, clock: &dyn Clock) {
    let Some(end) = end else {
        return pending().await;
    };
    // The time of day may be set in the meantime.
    while let Ok(left @ 1..) = u64::try_from(end - clock.now().as_second()) {
        sleep(Duration::from_secs(left).min(LOOK)).await;
    }
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
