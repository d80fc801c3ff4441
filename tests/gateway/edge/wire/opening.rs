//! Connections that do not get as far as HTTP/2.

use std::time::Duration;

use futures::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::interval;

use super::raw::{Frame, PREFACE, Raw, kind};
use super::site::{Site, attacked};
use super::{connect, gateway, soon};

/// Waits until the gateway has closed a connection.
pub(super) async fn closed(mut connection: impl AsyncRead + Unpin) {
    let mut said = Vec::new();
    // Whether it is closed in good order or reset does not matter.
    let _reset = soon(connection.read_to_end(&mut said)).await;
}

// T1
#[tokio::test]
async fn peers_that_say_nothing_are_shown_out_and_keep_nobody_out() {
    attacked(
        |settings| {
            settings.limits.handshake_timeout = Duration::from_secs(1);
            settings.limits.max_connections_per_address = 256;
        },
        async |site| {
            let mut silent = Vec::new();
            for _ in 0..10 {
                silent.extend(join_all((0..100).map(|_| site.socket())).await);
                let late = site.worker("w-1").beat(0).await;
                late.expect("gets in beside them");
            }
            join_all(silent.into_iter().map(closed)).await;
        },
    )
    .await;
}

fn patient(settings: &mut gateway_adapters::inbound::grpc::Settings) {
    // Long enough for handshakes of TLS on a machine that has much else to do.
    settings.limits.handshake_timeout = Duration::from_secs(3);
}

// T2: a handshake of TLS is no beginning yet.
#[tokio::test]
async fn peers_that_fall_silent_after_the_handshake_are_shown_out() {
    attacked(patient, async |site| {
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(site.connect().await);
        }
        let late = site.worker("w-1").beat(0).await;
        late.expect("gets in beside them");
        join_all(silent.into_iter().map(closed)).await;
    })
    .await;
}

// T2: nor do peers that say a word and no more.
#[tokio::test]
async fn peers_that_never_finish_lose_their_turn_to_others() {
    attacked(
        |settings| {
            settings.limits.handshake_timeout = Duration::from_hours(1);
            settings.limits.handshake_turn = Duration::from_millis(500);
            settings.limits.max_handshakes = 4;
        },
        async |site| {
            let mut begun = Vec::new();
            for _ in 0..8 {
                let mut connection = site.socket().await;
                connection
                    .write_all(&[site.first_byte()])
                    .await
                    .expect("sends");
                begun.push(connection);
            }
            let served = soon(site.worker("w-1").beat(0)).await;
            served.expect("gets in beside them");
        },
    )
    .await;
}

/// How a client begins, with more settings than any has.
fn beginning() -> Vec<u8> {
    let settings = Frame::new(kind::SETTINGS, 0, 0, &[0; 600]).bytes();
    [PREFACE, &settings].concat()
}

// T2
#[tokio::test]
async fn a_beginning_that_does_not_end_is_cut_off() {
    attacked(patient, async |site| {
        let whole = beginning();
        let cut_off = [1, 23, 24, 30, whole.len() - 1].map(async |begun| {
            let mut connection = site.connect().await;
            let sent = connection.write_all(&whole[..begun]).await;
            sent.expect("sends");
            connection.flush().await.expect("sends");
            closed(connection).await;
        });
        join_all(cut_off).await;
    })
    .await;
}

// T2: the time is one for all, not one a byte.
#[tokio::test]
async fn a_beginning_that_comes_in_drops_is_cut_off() {
    attacked(patient, async |site| {
        for pause in [Duration::from_millis(20), Duration::from_secs(1)] {
            assert_eq!(drip(site, pause).await, Dripped::CutOff);
        }
    })
    .await;
}

#[derive(Debug, PartialEq, Eq)]
enum Dripped {
    CutOff,
    Whole,
}

/// Begins byte by byte.
async fn drip(site: &Site, pause: Duration) -> Dripped {
    let (mut read, mut write) = tokio::io::split(site.connect().await);
    let drip = async {
        let mut drops = interval(pause);
        for byte in beginning() {
            drops.tick().await;
            if write.write_all(&[byte]).await.is_err() || write.flush().await.is_err() {
                return Dripped::CutOff;
            }
        }
        Dripped::Whole
    };
    let mut said = Vec::new();
    let (dripped, _reset) = soon(async { tokio::join!(drip, read.read_to_end(&mut said)) }).await;
    assert!(said.is_empty(), "{said:?}");
    dripped
}

// T26
#[tokio::test]
async fn what_is_no_http2_is_closed_at_once() {
    attacked(
        |settings| settings.limits.handshake_timeout = Duration::from_hours(1),
        async |site| {
            let wrong_start = [PREFACE, &Frame::ping().bytes()].concat();
            for said in [
                &b"GET / HTTP/1.1\r\nhost: gateway\r\n\r\n"[..],
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                b"PRI * HTTP/1.0\r\n\r\n",
                &wrong_start,
            ] {
                let mut connection = site.connect().await;
                connection.write_all(said).await.expect("sends");
                connection.flush().await.expect("sends");
                closed(connection).await;
            }
        },
    )
    .await;
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
