//! T23: a client's certificate counts no longer than it says, however long its connection is open.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use gateway_adapters::inbound::tls::{Acceptor, ClientAuth, ClientFiles, Files};
use gateway_adapters::outbound::{SystemClock, memory};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::Clock;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::{Door, folder};
use crate::support::papers::{Ca, DAY, Wanted, client};

/// A clock that stands still until it is set.
struct Stopped(Mutex<Timestamp>);

impl Stopped {
    fn set(&self, now: Timestamp) {
        *self.0.lock().expect("nobody has panicked") = now;
    }
}

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("nobody has panicked")
    }
}

#[tokio::test]
async fn a_connection_breaks_off_when_the_certificate_of_its_client_ends() {
    let ca = Ca::new("ca");
    let folder = folder(&ca, &[]);
    let last = SystemClock.now() + 30 * DAY;
    let paper = ca.issue(&Wanted::worker("w-1"));
    let clock = Arc::new(Stopped(Mutex::new(last)));
    let audit = Arc::new(memory::AuditLog::default());
    let files = Files {
        certificate: folder.path("server.pem"),
        key: folder.path("server.key"),
        clients: Some(ClientFiles {
            ca: folder.path("ca.pem"),
            crl: None,
            auth: ClientAuth::Required,
        }),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let door = Door {
        address: listener.local_addr().expect("has an address"),
        listener,
        acceptor: Acceptor::load(files, clock.clone(), audit.clone()).expect("loads"),
        audit,
    };
    let client = Arc::new(client(&ca, Some(&paper), &[&rustls::version::TLS13]));

    let (accepted, connected) = door.shake(&client).await;
    let mut secured = accepted.expect("is let in in its last second");
    let _held = connected.expect("is let in");
    clock.set(last + DAY);
    let read = timeout(Duration::from_secs(30), secured.stream.read_u8()).await;
    let error = read.expect("breaks off soon").expect_err("breaks off");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
}
