//! A gateway as strangers reach it, in plain and over TLS, and a worker that lives beside them.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use gateway_adapters::inbound::grpc::Settings;
use gateway_adapters::inbound::tls::{Acceptor, Files, Stream};
use gateway_adapters::outbound::{SystemClock, memory};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tonic::transport::{Endpoint, Uri};
use tower::service_fn;

use super::Neighbour;
use super::raw::PREFACE;
use crate::support::papers::{self, Ca, Folder, Wanted};
use crate::support::{Gateway, Options, Worker, key_of};

/// Where strangers come from; workers come from 127.0.0.1.
pub(super) const ABROAD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// How one speaks to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Plain,
    Tls,
}

/// A gateway, and how one speaks to it.
pub(super) struct Site {
    over: Over,
    pub(super) gateway: Gateway,
    client: Option<Arc<ClientConfig>>,
}

/// Has `attack` made on a gateway in plain, and then on one over TLS. A worker that behaves sees no
/// failure meanwhile.
pub(super) async fn attacked(adjust: fn(&mut Settings), attack: impl AsyncFn(&Site)) {
    for over in [Over::Plain, Over::Tls] {
        // It is shown if the attack succeeds.
        println!("{over:?}");
        let site = Site::open(adjust, over).await;
        let neighbour = Neighbour::moves_in(site.worker("w-2")).await;
        attack(&site).await;
        neighbour.was_served().await;
        site.gateway.stop().await;
    }
}

impl Site {
    async fn open(adjust: fn(&mut Settings), over: Over) -> Self {
        let secured = (over == Over::Tls).then(secured);
        let (acceptor, client) = secured.unzip();
        let gateway = Gateway::start_with(Options {
            adjust,
            tls: acceptor.map(|acceptor| acceptor as _),
            ..Options::default()
        });
        Self {
            over,
            gateway: gateway.await,
            client,
        }
    }

    /// A connection of a stranger that has said nothing yet.
    pub(super) async fn socket(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("is made");
        socket.bind((ABROAD, 0).into()).expect("is free");
        let connected = socket.connect(self.gateway.address).await;
        connected.expect("connects")
    }

    /// How whoever means well begins.
    pub(super) fn first_byte(&self) -> u8 {
        match self.over {
            Over::Plain => PREFACE[0],
            // A record of a handshake.
            Over::Tls => 22,
        }
    }

    /// A connection of a stranger over which HTTP/2 may begin.
    pub(super) async fn connect(&self) -> Box<dyn Stream> {
        self.try_connect().await.expect("shakes hands")
    }

    /// The same, of a stranger who may not be wanted.
    pub(super) async fn try_connect(&self) -> io::Result<Box<dyn Stream>> {
        let socket = self.socket().await;
        let Some(config) = &self.client else {
            return Ok(Box::new(socket));
        };
        let name = "localhost".try_into().expect("is a name");
        let shaken = TlsConnector::from(config.clone()).connect(name, socket);
        Ok(Box::new(shaken.await?))
    }

    /// A worker with its own connection and the right key.
    pub(super) fn worker(&self, id: &str) -> Worker {
        let Some(config) = self.client.clone() else {
            return self.gateway.worker(id);
        };
        let address = self.gateway.address;
        let connector = service_fn(move |_: Uri| {
            let config = config.clone();
            async move {
                let stream = papers::connect(address, &config).await?;
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("is a URI");
        let channel = endpoint.connect_with_connector_lazy(connector);
        Worker::over(channel, endpoint, id, Some(&key_of(id)))
    }
}

/// What secures a gateway, and a client that trusts it.
fn secured() -> (Arc<Acceptor>, Arc<ClientConfig>) {
    let ca = Ca::new("ca");
    let folder = Folder::new(&ca.issue(&Wanted::server()), &[]);
    let files = Files {
        certificate: folder.path("server.pem"),
        key: folder.path("server.key"),
        clients: None,
    };
    let audit = Arc::new(memory::AuditLog::default());
    let acceptor = Acceptor::load(files, Arc::new(SystemClock), audit);
    let client = papers::client(&ca, None, rustls::ALL_VERSIONS);
    (Arc::new(acceptor.expect("loads")), Arc::new(client))
}
