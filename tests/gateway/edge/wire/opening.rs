//! Connections that do not get as far as HTTP/2.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::interval;

use super::raw::{Frame, PREFACE, Raw, kind};
use super::{Neighbour, connect, gateway, soon};

/// Waits until the gateway has closed a connection.
async fn closed(mut connection: TcpStream) {
    let mut said = Vec::new();
    // Whether it is closed in good order or reset does not matter.
    let _reset = soon(connection.read_to_end(&mut said)).await;
}

// T1
#[tokio::test]
async fn peers_that_say_nothing_are_shown_out_and_keep_nobody_out() {
    let gateway = gateway(|settings| {
        settings.limits.handshake_timeout = Duration::from_secs(1);
        settings.limits.max_connections_per_address = 256;
    })
    .await;
    let neighbour = Neighbour::of(&gateway).await;

    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.extend(join_all((0..100).map(|_| connect(&gateway))).await);
        let late = gateway.worker("w-1").beat(0).await;
        late.expect("gets in beside them");
    }
    join_all(silent.into_iter().map(closed)).await;
    neighbour.was_served().await;
    gateway.stop().await;
}

// T2: nor do peers that say a word and no more.
#[tokio::test]
async fn peers_that_never_finish_lose_their_turn_to_others() {
    let gateway = gateway(|settings| {
        settings.limits.handshake_timeout = Duration::from_hours(1);
        settings.limits.handshake_turn = Duration::from_millis(200);
        settings.limits.max_handshakes = 4;
    })
    .await;

    let mut begun = Vec::new();
    for _ in 0..8 {
        let mut connection = connect(&gateway).await;
        connection.write_all(&PREFACE[..1]).await.expect("sends");
        begun.push(connection);
    }
    let served = soon(gateway.worker("w-1").beat(0)).await;
    served.expect("gets in beside them");
    drop(begun);
    gateway.stop().await;
}

// T2: the time is one for all, not one a byte.
#[tokio::test]
async fn a_beginning_that_does_not_end_is_cut_off() {
    let gateway = gateway(|settings| {
        settings.limits.handshake_timeout = Duration::from_secs(1);
    })
    .await;
    let settings = Frame::new(kind::SETTINGS, 0, 0, &[0; 600]).bytes();
    let whole = [PREFACE, &settings].concat();

    for begun in [1, 23, 24, 30, whole.len() - 1] {
        let mut connection = connect(&gateway).await;
        let sent = connection.write_all(&whole[..begun]).await;
        sent.expect("sends");
        closed(connection).await;
    }
    let (mut read, mut write) = connect(&gateway).await.into_split();
    let drip = async {
        let mut drops = interval(Duration::from_millis(20));
        for byte in whole {
            drops.tick().await;
            if write.write_all(&[byte]).await.is_err() {
                return false;
            }
        }
        true
    };
    let mut said = Vec::new();
    let (all_sent, _reset) = soon(async { tokio::join!(drip, read.read_to_end(&mut said)) }).await;
    assert!(!all_sent && said.is_empty(), "{said:?}");
    gateway.stop().await;
}

// T26, in plain
#[tokio::test]
async fn what_is_no_http2_is_closed_at_once() {
    let gateway = gateway(|settings| {
        settings.limits.handshake_timeout = Duration::from_hours(1);
    })
    .await;
    let wrong_start = [PREFACE, &Frame::ping().bytes()].concat();
    for said in [
        &b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/1.0\r\n\r\n",
        &wrong_start,
    ] {
        let mut connection = connect(&gateway).await;
        connection.write_all(said).await.expect("sends");
        closed(connection).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn settings_may_come_with_what_follows_them() {
    let gateway = gateway(|_| {}).await;
    let mut raw = Raw::begin(connect(&gateway).await).await;

    raw.up.send(&Frame::ping()).await.expect("sends");
    let pong = soon(raw.down.next_of(kind::PING)).await;
    assert_eq!(pong.expect("is answered").payload, Frame::ping().payload);
    gateway.stop().await;
}
