//! Addresses whose connections fail before they are open (T1, T13).

use std::net::IpAddr;
use std::time::Duration;

use gateway_core::domain::audit::Action;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::opening::closed;
use super::raw::{Frame, Raw, kind};
use super::site::{ABROAD, Site, attacked};
use super::soon;
use crate::support::papers::{Ca, Folder, Wanted};
use crate::support::{Gateway, Program, Scrape};

/// Says what is neither TLS nor HTTP/2, and waits until the connection is closed for it.
async fn fail(mut connection: TcpStream) {
    // It may be closed before it is said.
    let _closed = connection.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
    closed(connection).await;
}

/// Whether a stranger is served.
async fn is_served(site: &Site) -> bool {
    let Ok(stream) = site.try_connect().await else {
        return false;
    };
    let Some(mut raw) = Raw::try_begin(stream).await else {
        return false;
    };
    let settings = soon(raw.down.next_of(kind::SETTINGS)).await;
    settings.is_some()
}

/// Of whom it was taken down that they get no more connections.
fn barred(gateway: &Gateway) -> Vec<Option<IpAddr>> {
    let events = gateway.audit.latest();
    let barred = events.iter().filter(|event| event.action == Action::Barred);
    barred.map(|event| event.peer).collect()
}

#[tokio::test]
async fn an_address_whose_connections_fail_gets_none_for_a_while() {
    attacked(
        |settings| {
            settings.limits.handshake_failures_per_minute = 3;
            settings.limits.handshake_timeout = Duration::from_hours(1);
        },
        async |site| {
            assert!(is_served(site).await);
            for _ in 0..3 {
                fail(site.socket().await).await;
            }

            for _ in 0..5 {
                // It is not waited for what it has to say.
                closed(site.socket().await).await;
                assert!(!is_served(site).await);
            }
            let elsewhere = soon(site.worker("w-1").beat(0)).await;
            elsewhere.expect("is another address");
            assert_eq!(barred(&site.gateway), [Some(ABROAD.into())]);
        },
    )
    .await;
}

#[tokio::test]
async fn whoever_is_too_late_has_failed() {
    attacked(
        |settings| {
            settings.limits.handshake_failures_per_minute = 1;
            settings.limits.handshake_timeout = Duration::from_secs(1);
        },
        async |site| {
            closed(site.socket().await).await;
            assert!(!is_served(site).await);
        },
    )
    .await;
}

#[tokio::test]
async fn whoever_leaves_halfway_has_failed() {
    attacked(
        |settings| settings.limits.handshake_failures_per_minute = 1,
        async |site| {
            let mut leaver = site.socket().await;
            leaver.write_all(&[site.first_byte()]).await.expect("sends");
            leaver.shutdown().await.expect("leaves");
            closed(leaver).await;
            assert!(!is_served(site).await);
        },
    )
    .await;
}

#[tokio::test]
async fn whoever_leaves_without_a_word_has_not_failed() {
    attacked(
        |settings| settings.limits.handshake_failures_per_minute = 1,
        async |site| {
            for _ in 0..5 {
                let mut probe = site.socket().await;
                probe.shutdown().await.expect("leaves");
                closed(probe).await;
            }
            assert!(is_served(site).await);
        },
    )
    .await;
}

/// What comes later is between the client and HTTP/2.
#[tokio::test]
async fn connections_that_were_open_do_not_count() {
    attacked(
        |settings| settings.limits.handshake_failures_per_minute = 1,
        async |site| {
            for _ in 0..3 {
                let mut raw = Raw::begin(site.connect().await).await;
                let nonsense = Frame::new(kind::DATA, 0, 0, &[0]);
                raw.up.send(&nonsense).await.expect("sends");
                soon(raw.down.rest()).await;
            }
            assert!(is_served(site).await);
        },
    )
    .await;
}

#[tokio::test]
async fn the_setting_and_the_metric_say_so() {
    let ca = Ca::new("ca");
    let folder = Folder::new(&ca.issue(&Wanted::server()), &[]);
    let program = Program::start(&[
        ("GRPC_TLS_CERT_PATH", &folder.text("server.pem")),
        ("GRPC_TLS_KEY_PATH", &folder.text("server.key")),
        ("GRPC_HANDSHAKE_FAILURES_PER_MINUTE", "2"),
    ])
    .await;
    let ended = |scrape: &Scrape, reason| {
        let ended = scrape.value(&format!("connections_ended_total{{reason=\"{reason}\"}}"));
        ended.expect("is there from the start")
    };

    // A client hears of the end a moment before it counts.
    let scrape = soon(async {
        loop {
            fail(TcpStream::connect(program.grpc).await.expect("connects")).await;
            let scrape = Scrape::of(program.admin).await;
            if ended(&scrape, "barred") > 0.0 {
                return scrape;
            }
        }
    })
    .await;
    let failed = ended(&scrape, "failed");
    assert!((2.0..10.0).contains(&failed), "{failed}");
    program.stop().await;
}
