//! Behind a proxy that says for whom it connects.

use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::opening::closed;
use super::raw::{Frame, Raw, kind};
use super::{connect, gateway, soon};
use crate::support::proto::gateway_service_client::GatewayServiceClient;
use crate::support::{Gateway, key_of, proto};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header that speaks for an address of IPv4.
pub(in crate::edge) fn header(address: [u8; 4]) -> Vec<u8> {
    let ports = [0x30, 0x39, 0xc3, 0x83];
    [
        SIGNATURE,
        &[0x21, 0x11, 0, 12],
        &address,
        &[127, 0, 0, 1],
        &ports,
    ]
    .concat()
}

/// The header of a proxy that speaks for itself.
fn local() -> Vec<u8> {
    [SIGNATURE, &[0x20, 0, 0, 0]].concat()
}

async fn behind_a_proxy() -> Gateway {
    gateway(|settings| {
        let here = "127.0.0.0/8".parse().expect("is a network");
        settings.limits.proxies = vec![here];
        settings.limits.max_connections_per_address = 1;
        settings.limits.handshake_timeout = Duration::from_secs(1);
    })
    .await
}

/// A client of which the gateway learns by `header`.
pub(in crate::edge) async fn through(gateway: &Gateway, header: Vec<u8>) -> Channel {
    let mut connection = connect(gateway).await;
    connection.write_all(&header).await.expect("sends");
    let mut connection = Some(TokioIo::new(connection));
    let connector = service_fn(move |_: http::Uri| {
        let connection = connection.take().ok_or("connects once");
        async { connection }
    });
    let endpoint = Endpoint::from_static("http://gateway");
    let connected = endpoint.connect_with_connector(connector).await;
    connected.expect("is connected")
}

/// A connection that is open, if it is, after `header`.
pub(in crate::edge) async fn opened(gateway: &Gateway, header: &[u8]) -> Option<Raw<TcpStream>> {
    let mut connection = connect(gateway).await;
    connection.write_all(header).await.expect("sends");
    let mut raw = Raw::begin(connection).await;
    let settings = soon(raw.down.next_of(kind::SETTINGS)).await;
    settings.map(|_| raw)
}

#[tokio::test]
async fn the_address_it_speaks_for_is_the_peer() {
    let gateway = behind_a_proxy().await;
    let registration = proto::RegisterRequest {
        api_key: key_of("w-1"),
        worker_id: "w-1".into(),
        ..Default::default()
    };

    let channel = through(&gateway, header([203, 0, 113, 7])).await;
    let mut client = GatewayServiceClient::new(channel);
    client.register(registration).await.expect("is served");
    let events = gateway.audit.latest();
    let peers: Vec<_> = events.iter().map(|event| event.peer).collect();
    assert_eq!(peers, [Some([203, 0, 113, 7].into())], "{events:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn each_address_it_speaks_for_has_a_share_of_its_own() {
    let gateway = behind_a_proxy().await;
    let mut held = Vec::new();
    for header in [header([203, 0, 113, 1]), header([203, 0, 113, 2]), local()] {
        let mut raw = opened(&gateway, &header).await.expect("gets in");
        let poll = proto::PollTaskRequest {
            worker_id: "w-1".into(),
            timeout_ms: 1,
        };
        let call = Frame::whole_call(1, "PollTask", &poll);
        raw.up.send_all(&call).await.expect("polls");
        let answer = soon(raw.down.next_of(kind::HEADERS)).await;
        answer.expect("is answered");
        held.push(raw);
    }

    for full in [header([203, 0, 113, 1]), local()] {
        assert!(opened(&gateway, &full).await.is_none());
    }
    gateway.stop().await;
}

// T1, T13
#[tokio::test]
async fn an_address_it_speaks_for_is_barred_and_not_the_proxy() {
    let gateway = gateway(|settings| {
        let here = "127.0.0.0/8".parse().expect("is a network");
        settings.limits.proxies = vec![here];
        settings.limits.handshake_failures_per_minute = 1;
    })
    .await;
    let (one, other) = (header([203, 0, 113, 1]), header([203, 0, 113, 2]));
    let leaves = async |said: Vec<u8>| {
        let mut connection = connect(&gateway).await;
        connection.write_all(&said).await.expect("sends");
        connection.shutdown().await.expect("leaves");
        closed(connection).await;
    };

    // Nobody fails here but the proxy, and whom it looks after on behalf of the others.
    for said in [&b"nonsense of its own"[..], &local(), &one, b"\r\n"] {
        leaves(said.to_vec()).await;
    }
    leaves([local(), b"GET / HTTP/1.1\r\n\r\n".to_vec()].concat()).await;
    assert!(opened(&gateway, &one).await.is_some());
    leaves([&one[..], b"GET / HTTP/1.1\r\n\r\n"].concat()).await;

    assert!(opened(&gateway, &one).await.is_none());
    for said in [&other, &local()] {
        assert!(opened(&gateway, said).await.is_some());
    }
    let events = gateway.audit.latest();
    let peers: Vec<_> = events.iter().map(|event| event.peer).collect();
    assert_eq!(peers, [Some([203, 0, 113, 1].into())], "{events:?}");
    gateway.stop().await;
}

// T1: the proxy has said a word, and the one it speaks for has not.
#[tokio::test]
async fn who_says_nothing_behind_it_takes_nobodys_turn() {
    let gateway = gateway(|settings| {
        let here = "127.0.0.0/8".parse().expect("is a network");
        settings.limits.proxies = vec![here];
        settings.limits.max_handshakes = 1;
        settings.limits.handshake_turn = Duration::from_hours(1);
        settings.limits.handshake_timeout = Duration::from_hours(1);
    })
    .await;
    let mut silent = connect(&gateway).await;
    let said = header([203, 0, 113, 1]);
    silent.write_all(&said).await.expect("sends");

    let other = opened(&gateway, &header([203, 0, 113, 2])).await;
    other.expect("gets in beside it");
    gateway.stop().await;
}

#[tokio::test]
async fn without_its_header_a_proxy_is_refused() {
    let gateway = behind_a_proxy().await;

    for header in [
        &b""[..],
        b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n",
        &local()[..9],
    ] {
        assert!(opened(&gateway, header).await.is_none(), "{header:?}");
    }
    // Nor is it waited for longer than for anybody.
    let silent = connect(&gateway).await;
    let mut half = connect(&gateway).await;
    half.write_all(&local()[..15]).await.expect("sends");
    for connection in [silent, half] {
        let mut byte = [0];
        soon(connection.readable()).await.expect("hears");
        let read = connection.try_read(&mut byte);
        assert!(!matches!(read, Ok(1..)), "{read:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn from_anybody_else_the_header_means_nothing() {
    let gateway = gateway(|settings| {
        let elsewhere = "192.0.2.0/24".parse().expect("is a network");
        settings.limits.proxies = vec![elsewhere];
    })
    .await;

    assert!(opened(&gateway, &header([203, 0, 113, 7])).await.is_none());
    opened(&gateway, b"").await.expect("is served without one");
    gateway.stop().await;
}
