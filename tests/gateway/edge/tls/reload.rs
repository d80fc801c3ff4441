//! Files that change under a gateway that runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Client, folder};
use crate::support::Program;
use crate::support::papers::{Ca, Folder, Paper, Wanted, client, connect};

pub(super) const LONG: Duration = Duration::from_secs(30);

const REFUSED: &str = "not read anew: what was read before stays in force";

/// A gateway that goes by the files in `folder`.
pub(super) async fn start(folder: &Folder, others: &[(&str, &str)]) -> Program {
    let mut settings = vec![
        // Whoever only looks at the certificate leaves without HTTP/2.
        ("GRPC_HANDSHAKE_FAILURES_PER_MINUTE", "1000000".to_owned()),
        ("GRPC_TLS_CERT_PATH", folder.text("server.pem")),
        ("GRPC_TLS_KEY_PATH", folder.text("server.key")),
    ];
    for (name, file) in [
        ("GRPC_TLS_CA_PATH", "ca.pem"),
        ("GRPC_TLS_CRL_PATH", "crl.pem"),
    ] {
        if folder.path(file).exists() {
            settings.push((name, folder.text(file)));
        }
    }
    let settings = settings.iter().map(|(name, path)| (*name, path.as_str()));
    let settings: Vec<_> = settings.chain(others.iter().copied()).collect();
    Program::start(&settings).await
}

/// Whether a new connection is served with `paper`.
pub(super) async fn serves(address: SocketAddr, config: &Arc<ClientConfig>, paper: &Paper) -> bool {
    let stream = connect(address, config).await.expect("connects");
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates().expect("is shown one");
    chain == paper.chain()
}

/// Waits until new connections are.
pub(super) async fn until_serves(address: SocketAddr, config: &Arc<ClientConfig>, paper: &Paper) {
    let served = async { while !serves(address, config, paper).await {} };
    timeout(LONG, served).await.expect("is served in the end");
}

/// A connection over which HTTP/2 has begun.
pub(super) async fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> Client {
    let mut stream = connect(address, config).await.expect("connects");
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat();
    stream.write_all(&preface).await.expect("sends");
    let mut header = [0; 9];
    stream.read_exact(&mut header).await.expect("is answered");
    stream
}

/// Asks over `stream` whether the other side still lives.
pub(super) async fn lives(stream: &mut Client) -> bool {
    let ping = [
        0, 0, 8, 6, 0, 0, 0, 0, 0, b'w', b'e', b'l', b'l', b'?', b'?', b'?', b'?',
    ];
    if stream.write_all(&ping).await.is_err() {
        return false;
    }
    let mut seen: Vec<u8> = Vec::new();
    let mut piece = [0; 1024];
    while !seen.windows(8).any(|part| *part == ping[9..]) {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return false,
            Ok(read) => seen.extend(&piece[..read]),
        }
    }
    true
}

#[tokio::test]
async fn a_new_certificate_is_served_and_a_broken_one_is_not() {
    let ca = Ca::new("ca");
    let (old, new) = (ca.issue(&Wanted::server()), ca.issue(&Wanted::server()));
    let folder = Folder::new(&old, &[]);
    let mut program = start(&folder, &[]).await;
    let config = Arc::new(client(&ca, None, rustls::ALL_VERSIONS));
    let mut alive = open(program.grpc, &config).await;

    folder.put("server.pem", "torn");
    let told = program.logged(REFUSED).await;
    assert_eq!(told["what"], "TLS certificate");
    let reason = told["reason"].as_str().expect("is told");
    assert!(reason.starts_with("GRPC_TLS_CERT_PATH="), "{reason}");
    assert!(serves(program.grpc, &config, &old).await);

    // For a moment the key is not that of the certificate; that is no good either.
    folder.put("server.key", &new.key);
    folder.put("server.pem", &new.pem);
    until_serves(program.grpc, &config, &new).await;
    assert!(lives(&mut alive).await, "it goes on as it is");
    program.stop().await;
}

#[tokio::test]
async fn sighup_has_the_files_read_anew() {
    let ca = Ca::new("ca");
    let folder = Folder::new(&ca.issue(&Wanted::server()), &[]);
    let mut program = start(&folder, &[]).await;

    program.signal("HUP");

    // All else is read anew as well, in no order.
    let told = async { while program.logged("read anew").await["what"] != "TLS certificate" {} };
    timeout(LONG, told).await.expect("is told");
    program.stop().await;
}

#[tokio::test]
async fn who_is_revoked_is_cut_off_and_who_is_not_goes_on() {
    let ca = Ca::new("ca");
    let folder = folder(&ca, &[("crl.pem", &ca.crl(&[], 7))]);
    let program = start(&folder, &[]).await;
    let papers = ["w-1", "w-2"].map(|id| ca.issue(&Wanted::worker(id)));
    let [one, other] = papers.each_ref().map(|paper| {
        let config = client(&ca, Some(paper), rustls::ALL_VERSIONS);
        Arc::new(config)
    });
    let mut revoked = open(program.grpc, &one).await;
    let mut alive = open(program.grpc, &other).await;
    assert!(lives(&mut revoked).await && lives(&mut alive).await);

    folder.put("crl.pem", &ca.crl(&[&papers[0]], 7));

    // It is idle, and yet it is ended.
    let ended = async { while revoked.read_u8().await.is_ok() {} };
    timeout(LONG, ended).await.expect("is cut off");
    assert!(lives(&mut alive).await);
    program.stop().await;
}

#[tokio::test]
async fn whose_ca_is_gone_is_cut_off() {
    let (ca, other) = (Ca::new("ca"), Ca::new("other"));
    let folder = folder(&ca, &[("ca.pem", &format!("{}{}", ca.pem, other.pem))]);
    let program = start(&folder, &[]).await;
    let paper = other.issue(&Wanted::worker("w-1"));
    let config = Arc::new(client(&ca, Some(&paper), rustls::ALL_VERSIONS));
    let mut stream = open(program.grpc, &config).await;
    assert!(lives(&mut stream).await);

    folder.put("ca.pem", &ca.pem);

    let ended = async { while stream.read_u8().await.is_ok() {} };
    timeout(LONG, ended).await.expect("is cut off");
    program.stop().await;
}
