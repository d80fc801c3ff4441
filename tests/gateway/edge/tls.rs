//! TLS on the workers' port.

mod dev;
mod expiring;
mod opening;
mod protocols;
mod refusals;
mod reload;
mod sessions;
mod stale;
mod start;
mod swap;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gateway_adapters::inbound::tls::{
    Acceptor, ClientAuth, ClientFiles, Files, Handshake as _, LoadError, Secured,
};
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::ports::Clock;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::papers::{self, Ca, Folder, Wanted};

/// An acceptor by itself, on a port of its own.
struct Door {
    address: SocketAddr,
    listener: TcpListener,
    acceptor: Acceptor,
    audit: Arc<memory::AuditLog>,
}

impl Door {
    /// Opens one with the files in `folder`; without `auth` nobody asks for clients' certificates.
    async fn open(folder: &Folder, auth: Option<ClientAuth>) -> Self {
        Self::open_by(folder, auth, Arc::new(SystemClock)).await
    }

    /// Opens one that goes by `clock`.
    async fn open_by(folder: &Folder, auth: Option<ClientAuth>, clock: Arc<dyn Clock>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let audit = Arc::new(memory::AuditLog::default());
        Self {
            address: listener.local_addr().expect("has an address"),
            listener,
            acceptor: Acceptor::load(files(folder, auth), clock, audit.clone()).expect("loads"),
            audit,
        }
    }

    /// What becomes of a handshake with `client`, on either side of it.
    async fn shake(&self, client: &Arc<ClientConfig>) -> (io::Result<Secured>, io::Result<Client>) {
        let accept = async {
            let (socket, _) = self.listener.accept().await?;
            let peer = socket.peer_addr()?.ip();
            let mut secured = self.acceptor.accept(socket, peer).await?;
            secured.stream.write_all(b"!").await?;
            secured.stream.flush().await?;
            Ok(secured)
        };
        let connect = async {
            let mut stream = papers::connect(self.address, client).await?;
            // By TLS 1.3 a client hears only now that it was refused.
            stream.read_u8().await?;
            Ok(stream)
        };
        tokio::join!(accept, connect)
    }
}

type Client = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

/// Loads what is in `folder`.
fn load(
    folder: &Folder,
    auth: Option<ClientAuth>,
    audit: Arc<memory::AuditLog>,
) -> Result<Acceptor, LoadError> {
    Acceptor::load(files(folder, auth), Arc::new(SystemClock), audit)
}

/// `server.pem`, `server.key`, and with `auth` `ca.pem` and `crl.pem` if there is one.
fn files(folder: &Folder, auth: Option<ClientAuth>) -> Files {
    let crl = folder.path("crl.pem");
    Files {
        certificate: folder.path("server.pem"),
        key: folder.path("server.key"),
        clients: auth.map(|auth| ClientFiles {
            ca: folder.path("ca.pem"),
            crl: crl.exists().then_some(crl),
            auth,
        }),
    }
}

/// A folder for mTLS whose certificates are all of `ca`.
fn folder(ca: &Ca, others: &[(&str, &str)]) -> Folder {
    let server = ca.issue(&Wanted::server());
    let folder = Folder::new(&server, &[("ca.pem", &ca.pem)]);
    for (name, text) in others {
        folder.put(name, text);
    }
    folder
}
