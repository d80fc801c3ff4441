//! T26: TLS 1.2 or 1.3 with ciphers that authenticate, HTTP/2, and nothing else.

use std::sync::Arc;

use gateway_adapters::inbound::tls::{ClientAuth, Handshake as _};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Door, folder};
use crate::support::papers::{Ca, client};

#[tokio::test]
async fn who_does_not_ask_for_http_2_is_let_go() {
    let ca = Ca::new("ca");
    let door = Door::open(&folder(&ca, &[]), None).await;
    for version in [&TLS12, &TLS13] {
        for (asked, gets_in) in [
            (&[][..], false),
            (&["http/1.1"][..], false),
            (&["http/1.1", "h2"][..], true),
        ] {
            let mut client = client(&ca, None, &[version]);
            client.alpn_protocols = asked.iter().map(|name| name.as_bytes().to_vec()).collect();

            let (accepted, connected) = door.shake(&Arc::new(client)).await;
            assert_eq!(accepted.is_ok(), gets_in, "{asked:?}");
            assert_eq!(connected.is_ok(), gets_in, "{asked:?}");
        }
    }
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;

const AES_GCM: u16 = 0xc02b;
const AES_CBC: u16 = 0xc009;

#[tokio::test]
async fn what_is_old_or_weak_is_not_spoken() {
    let ca = Ca::new("ca");
    let door = Door::open(&folder(&ca, &[]), Some(ClientAuth::Optional)).await;

    let (kind, _) = answer(&door, 0x0303, AES_GCM).await;
    assert_eq!(kind, HANDSHAKE, "so the message is as it should be");
    for version in [0x0300, 0x0301, 0x0302] {
        let told = answer(&door, version, AES_GCM).await;
        assert_eq!(told, (ALERT, PROTOCOL_VERSION), "{version:x}");
    }
    let told = answer(&door, 0x0303, AES_CBC).await;
    assert_eq!(told, (ALERT, HANDSHAKE_FAILURE));
}

/// What the gateway answers to a client of `version` that knows one cipher suite: the kind of the
/// record, and if that is an alert, what it says.
async fn answer(door: &Door, version: u16, suite: u16) -> (u8, u8) {
    let accept = async {
        let (socket, _) = door.listener.accept().await.expect("comes");
        // The handshake does not end, for the client does not go on.
        let peer = door.address.ip();
        door.acceptor.accept(socket, peer).await.map(|_| ())
    };
    let ask = async {
        let mut socket = TcpStream::connect(door.address).await.expect("connects");
        let hello = client_hello(version, suite);
        socket.write_all(&hello).await.expect("sends");
        let mut record = [0; 7];
        socket.read_exact(&mut record).await.expect("is answered");
        (record[0], record[6])
    };
    let (accepted, told) = tokio::join!(accept, ask);
    assert!(accepted.is_err());
    told
}

fn client_hello(version: u16, suite: u16) -> Vec<u8> {
    let extensions = [
        // Groups: x25519, secp256r1. Signatures: ECDSA with P-256. Protocols: h2.
        extension(10, &[0, 4, 0, 0x1d, 0, 0x17]),
        extension(11, &[1, 0]),
        extension(13, &[0, 2, 4, 3]),
        extension(16, b"\x00\x03\x02h2"),
    ]
    .concat();
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    // No session; one suite; no compression.
    body.push(0);
    body.extend([0, 2]);
    body.extend(suite.to_be_bytes());
    body.extend([1, 0]);
    body.extend(sized(&extensions));
    let message = [&[1, 0][..], &sized(&body)].concat();
    [&[HANDSHAKE, 3, 1][..], &sized(&message)].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [kind.to_be_bytes().to_vec(), sized(content)].concat()
}

/// `bytes` after their number.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let size = u16::try_from(bytes.len()).expect("is short");
    [&size.to_be_bytes(), bytes].concat()
}
