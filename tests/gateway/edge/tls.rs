//! TLS on the workers' port.

mod dev;
mod expiring;
mod opening;
mod protocols;
mod refusals;
mod reload;
mod sessions;
mod start;
mod swap;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gateway_adapters::inbound::tls::{
    Acceptor, ClientAuth, ClientFiles, Files, Handshake as _, LoadError, Secured,
};
use gateway_adapters::outbound::{SystemClock, memory};
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
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let audit = Arc::new(memory::AuditLog::default());
        Self {
            address: listener.local_addr().expect("has an address"),
            listener,
            acceptor: load(folder, auth, audit.clone()).expect("loads"),
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

/// Loads `server.pem`, `server.key`, and with `auth` `ca.pem` and `crl.pem` if there is one.
fn load(
    folder: &Folder,
    auth: Option<ClientAuth>,
    audit: Arc<memory::AuditLog>,
) -> Result<Acceptor, LoadError> {
    let crl = folder.path("crl.pem");
    let files = Files {
        certificate: folder.path("server.pem"),
        key: folder.path("server.key"),
        clients: auth.map(|auth| ClientFiles {
            ca: folder.path("ca.pem"),
            crl: crl.exists().then_some(crl),
            auth,
        }),
    };
    Acceptor::load(files, Arc::new(SystemClock), audit)
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
