//! T24, T25: no session goes around the certificates.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway_adapters::inbound::tls::ClientAuth;
use gateway_adapters::outbound::SystemClock;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::Clock;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::{Door, folder};
use crate::support::papers::{Ca, Wanted, client};

#[tokio::test]
async fn a_session_is_not_resumed_where_clients_show_certificates() {
    let ca = Ca::new("ca");
    let paper = ca.issue(&Wanted::worker("w-1"));
    let folder = folder(&ca, &[("crl.pem", &ca.crl(&[], 7))]);
    let mutual = Door::open(&folder, Some(ClientAuth::Required)).await;
    let plain = Door::open(&folder, None).await;
    for version in [&TLS12, &TLS13] {
        // Each remembers its sessions.
        let with = Arc::new(client(&ca, Some(&paper), &[version]));
        let without = Arc::new(client(&ca, None, &[version]));

        let mut kinds = Vec::new();
        for (door, client) in [(&mutual, &with), (&plain, &without)] {
            for _ in 0..2 {
                let (_, connected) = door.shake(client).await;
                let (_, connection) = connected.as_ref().expect("gets in").get_ref();
                kinds.push(connection.handshake_kind().expect("is over"));
            }
        }
        let full = HandshakeKind::Full;
        assert_eq!(kinds[..3], [full, full, full], "{version:?}");
        assert_eq!(kinds[3], HandshakeKind::Resumed, "so this client can");
    }
}

/// A clock that is set by hand.
#[derive(Clone)]
struct Hand(Arc<Mutex<Timestamp>>);

impl Hand {
    /// One that shows what it was so long ago.
    fn behind_by(distance: Duration) -> Self {
        Self(Arc::new(Mutex::new(SystemClock.now() - distance)))
    }

    fn go_on(&self, distance: Duration) {
        let mut shown = self.0.lock().expect("is whole");
        *shown += distance;
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("is whole")
    }
}

// The files stay as they are, for new ones would end all sessions by themselves.
#[tokio::test]
async fn who_counts_no_more_does_not_come_back_by_a_session() {
    const HALF_A_DAY: Duration = Duration::from_hours(12);
    let ca = Ca::new("ca");
    let until_now = Wanted {
        days: (-1, 0),
        ..Wanted::worker("w-1")
    };
    let paper = ca.issue(&until_now);
    let folder = folder(&ca, &[("crl.pem", &ca.crl(&[], 7))]);
    for version in [&TLS12, &TLS13] {
        let clock = Hand::behind_by(HALF_A_DAY);
        let auth = Some(ClientAuth::Required);
        let door = Door::open_by(&folder, auth, Arc::new(clock.clone())).await;
        let client = Arc::new(client(&ca, Some(&paper), &[version]));
        let (accepted, connected) = door.shake(&client).await;
        assert!(accepted.is_ok() && connected.is_ok(), "{version:?}");

        clock.go_on(HALF_A_DAY + Duration::from_mins(1));

        let (accepted, connected) = door.shake(&client).await;
        assert!(accepted.is_err() && connected.is_err(), "{version:?}");
    }
}

#[tokio::test]
async fn nothing_is_taken_before_the_handshake_is_over() {
    let ca = Ca::new("ca");
    let door = Door::open(&folder(&ca, &[]), None).await;
    let mut client = client(&ca, None, &[&TLS13]);
    client.enable_early_data = true;
    let client = Arc::new(client);
    door.shake(&client).await.1.expect("gets in");

    // It has a ticket now, and asks the ticket whether it may send early.
    let name = "localhost".try_into().expect("is a name");
    let mut again = rustls::ClientConnection::new(client, name).expect("is sound");
    assert!(again.early_data().is_none());
}
