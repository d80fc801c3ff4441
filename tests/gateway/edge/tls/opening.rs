//! T1, T2: who opens a connection and does not go on is let go, and bothers nobody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};

use super::folder;
use super::reload::{LONG, lives, open, start};
use crate::support::papers::{Ca, client, connect};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[tokio::test]
async fn who_does_not_begin_is_let_go_while_others_are_served() {
    let ca = Ca::new("ca");
    let files = folder(&ca, &[]);
    std::fs::remove_file(files.path("ca.pem")).expect("is there");
    let program = start(&files, &[("GRPC_HANDSHAKE_TIMEOUT", "1")]).await;
    let config = Arc::new(client(&ca, None, rustls::ALL_VERSIONS));
    let mut well = open(program.grpc, &config).await;

    let mut bad = tokio::task::JoinSet::new();
    for _ in 0..50 {
        bad.spawn(silent(program.grpc));
        bad.spawn(shaken(program.grpc, config.clone()));
        bad.spawn(slow(program.grpc, config.clone()));
    }
    // A newcomer is served, too, while they wait.
    let mut new = open(program.grpc, &config).await;
    assert!(lives(&mut new).await);
    timeout(LONG, bad.join_all()).await.expect("are let go");

    assert!(lives(&mut well).await && lives(&mut new).await);
    program.stop().await;
}

/// Connects and says nothing, until it is let go.
async fn silent(address: SocketAddr) {
    let mut socket = TcpStream::connect(address).await.expect("connects");
    while socket.read_u8().await.is_ok() {}
}

/// Shakes hands and says nothing more, until it is let go.
async fn shaken(address: SocketAddr, config: Arc<ClientConfig>) {
    let mut stream = connect(address, &config).await.expect("connects");
    while stream.read_u8().await.is_ok() {}
}

/// Shakes hands and goes on byte by byte, until it is let go.
async fn slow(address: SocketAddr, config: Arc<ClientConfig>) {
    let stream = connect(address, &config).await.expect("connects");
    let (mut incoming, mut outgoing) = tokio::io::split(stream);
    let drip = async {
        let mut pauses = interval(Duration::from_millis(250));
        for byte in PREFACE.iter().cycle() {
            pauses.tick().await;
            if outgoing.write_u8(*byte).await.is_err() {
                return;
            }
        }
    };
    let heard = async { while incoming.read_u8().await.is_ok() {} };
    tokio::select! { () = drip => {}, () = heard => {} }
}
