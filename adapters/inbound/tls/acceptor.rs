use std::io;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use gateway_core::domain::audit::{Action, AuditEvent};
use gateway_core::ports::{AuditLog, Clock};
use metrics::counter;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::metrics::HANDSHAKES;

use super::expiry::Expiries;
use super::files::{Files, LoadError};
use super::server::{ALPN, Loaded};
use super::stream::Watched;
use super::trust::Trust;
use super::{Handshake, Secured, names};

/// Speaks TLS: 1.2 or 1.3, HTTP/2 and nothing else, with what its files held when they were last
/// read and found good.
pub struct Acceptor {
    files: Files,
    clock: Arc<dyn Clock>,
    audit_log: Arc<dyn AuditLog>,
    loaded: RwLock<Arc<Loaded>>,
    /// Whom connections with a certificate ask whether it is still good.
    trust: watch::Sender<Option<Arc<Trust>>>,
}

impl Acceptor {
    /// Reads `files`.
    ///
    /// # Errors
    ///
    /// [`LoadError`], naming the first that cannot be used.
    pub fn load(
        files: Files,
        clock: Arc<dyn Clock>,
        audit_log: Arc<dyn AuditLog>,
    ) -> Result<Self, LoadError> {
        let loaded = Loaded::read(&files, &clock, None)?;
        let trust = watch::Sender::new(loaded.trust.clone());
        Ok(Self {
            files,
            clock,
            audit_log,
            loaded: RwLock::new(Arc::new(loaded)),
            trust,
        })
    }

    /// Reads the files again, and goes by them from the next handshake on. Connections that live go
    /// on, but for those whose client's certificate counts no more.
    ///
    /// # Errors
    ///
    /// [`LoadError`], naming the first that cannot be used, or that would shut out who is let in
    /// now; all stays as it was then.
    pub fn reload(&self) -> Result<(), LoadError> {
        let loaded = Loaded::read(&self.files, &self.clock, Some(&self.loaded()))?;
        let trust = loaded.trust.clone();
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        // After the handshakes have changed: one that still went by what was before has asked to
        // be told of this.
        self.trust.send_if_modified(|known| {
            let same = match (&*known, &trust) {
                (Some(known), Some(trust)) => Arc::ptr_eq(known, trust),
                (known, trust) => known.is_none() && trust.is_none(),
            };
            *known = trust;
            !same
        });
        Ok(())
    }

    /// When what was read last expires.
    pub fn expiries(&self) -> Expiries {
        Expiries::of(&self.loaded(), self.clock.now())
    }

    fn loaded(&self) -> Arc<Loaded> {
        let loaded = self.loaded.read();
        loaded.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn shake(&self, socket: TcpStream) -> io::Result<Secured> {
        // Before what the handshake goes by is read, so that no change of it is missed.
        let trusted = self.trust.subscribe();
        let acceptor = TlsAcceptor::from(self.loaded().config.clone());
        let stream = acceptor.accept(socket).await?;
        let (_, connection) = stream.get_ref();
        // A client that names other protocols only is refused by rustls; here is who names none.
        if connection.alpn_protocol() != Some(ALPN) {
            return Err(invalid("the client did not ask for HTTP/2"));
        }
        let Some(chain) = presented(&stream) else {
            return Ok(Secured {
                stream: Box::new(stream),
                certificate: None,
            });
        };
        let names = chain.first().map(names::of).transpose();
        let names = names.map_err(|error| invalid(&error.to_string()))?;
        let stream = Watched::new(stream, chain, trusted, self.clock.clone());
        Ok(Secured {
            stream: Box::new(stream),
            certificate: names.map(Arc::new),
        })
    }
}

/// The chain that the client presented, if it did.
fn presented(stream: &TlsStream<TcpStream>) -> Option<Vec<CertificateDer<'static>>> {
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates()?;
    Some(
        chain
            .iter()
            .cloned()
            .map(CertificateDer::into_owned)
            .collect(),
    )
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[async_trait]
impl Handshake for Acceptor {
    async fn accept(&self, socket: TcpStream, peer: IpAddr) -> io::Result<Secured> {
        let mut counted = Counted("overdue");
        let shaken = self.shake(socket).await;
        counted.0 = if shaken.is_ok() { "done" } else { "failed" };
        if let Some(credential) = shaken.as_ref().err().and_then(refused) {
            self.audit_log.record(AuditEvent {
                at: self.clock.now(),
                actor: None,
                peer: Some(peer),
                request: None,
                action: Action::Rejected {
                    credentials: vec![credential],
                    claimed: None,
                },
            });
        }
        shaken
    }
}

/// What was refused of a client, if it was that which `error` is about.
fn refused(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    if matches!(error, rustls::Error::InvalidCertificate(_)) {
        Some("certificate")
    } else {
        matches!(error, rustls::Error::NoCertificatesPresented).then_some("none")
    }
}

/// Counts how a handshake ended; one that was given up before it did was overdue.
struct Counted(&'static str);

impl Drop for Counted {
    fn drop(&mut self) {
        counter!(HANDSHAKES, "outcome" => self.0).increment(1);
    }
}
