//! T23: a client's certificate counts only if all of it is right.

use std::sync::Arc;

use gateway_adapters::inbound::tls::{ClientAuth, Secured};
use gateway_core::domain::audit::Action;
use gateway_core::domain::identity::Certificate;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::version::{TLS12, TLS13};

use super::{Door, folder};
use crate::support::papers::{Ca, Paper, Wanted, client};

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Whether a client that shows `paper` gets in by each version; both sides must think the same.
async fn gets_in(door: &Door, ca: &Ca, paper: Option<&Paper>) -> Vec<Secured> {
    let mut secured = Vec::new();
    for version in VERSIONS {
        let client = Arc::new(client(ca, paper, &[version]));
        let (accepted, connected) = door.shake(&client).await;
        assert_eq!(accepted.is_ok(), connected.is_ok(), "{version:?}");
        secured.extend(accepted.ok());
    }
    secured
}

/// A client that shows `paper` is let in by no version, and each refusal is written down once.
async fn refused(door: &Door, ca: &Ca, paper: Option<&Paper>, what: &str) {
    let known = door.audit.latest().len();
    assert_eq!(gets_in(door, ca, paper).await.len(), 0, "{what}");
    let events = door.audit.latest().split_off(known);
    assert_eq!(events.len(), VERSIONS.len(), "{what}: {events:?}");
    let credential = if paper.is_some() {
        "certificate"
    } else {
        "none"
    };
    for event in events {
        let claimed = None;
        assert_eq!(
            event.action,
            Action::Rejected {
                credentials: vec![credential],
                claimed
            }
        );
        assert_eq!(event.peer, Some(door.address.ip()));
    }
}

/// What gets in, by its one certificate.
async fn names(door: &Door, ca: &Ca, paper: &Paper) -> Certificate {
    let secured = gets_in(door, ca, Some(paper)).await;
    assert_eq!(secured.len(), VERSIONS.len());
    let mut names = secured.into_iter().map(|secured| {
        let certificate = secured.certificate.expect("presented one");
        Arc::unwrap_or_clone(certificate)
    });
    let first = names.next().expect("got in");
    assert!(names.all(|others| others == first));
    first
}

#[tokio::test]
async fn all_names_of_a_good_certificate_arrive() {
    let ca = Ca::new("ca");
    let door = Door::open(&folder(&ca, &[]), Some(ClientAuth::Required)).await;
    let wanted = Wanted {
        names: ["uri:spiffe://a/worker/w-1", "dns:w-2", "dns:w-3", "cn:w-4"]
            .map(str::to_owned)
            .into(),
        ..Wanted::worker("")
    };

    let names = names(&door, &ca, &ca.issue(&wanted)).await;

    // T23: that a certificate names two workers is for the authenticator to see, so it must be told.
    assert_eq!(
        names,
        Certificate {
            uris: vec!["spiffe://a/worker/w-1".to_owned()],
            dns_names: vec!["w-2".to_owned(), "w-3".to_owned()],
            common_names: vec!["w-4".to_owned()],
        }
    );
}

#[tokio::test]
async fn whatever_is_wrong_with_a_certificate_keeps_it_out() {
    let ca = Ca::new("ca");
    let other = Ca::new("ca");
    let revoked = ca.issue(&Wanted::worker("w-1"));
    let crl = ca.crl(&[&revoked], 7);
    let folder = folder(&ca, &[("crl.pem", &crl)]);
    let worker = || Wanted::worker("w-1");
    let server_only = Wanted {
        usage: ExtendedKeyUsagePurpose::ServerAuth,
        ..worker()
    };
    let expired = Wanted {
        days: (-30, -1),
        ..worker()
    };
    let not_yet = Wanted {
        days: (1, 30),
        ..worker()
    };
    for auth in [ClientAuth::Required, ClientAuth::Optional] {
        let door = Door::open(&folder, Some(auth)).await;

        refused(&door, &ca, Some(&ca.issue(&server_only)), "for servers").await;
        refused(&door, &ca, Some(&ca.issue(&expired)), "expired").await;
        refused(&door, &ca, Some(&ca.issue(&not_yet)), "not good yet").await;
        // Of the same name, and yet not the same.
        refused(&door, &ca, Some(&other.issue(&worker())), "another CA").await;
        refused(&door, &ca, Some(&revoked), "revoked").await;
        names(&door, &ca, &ca.issue(&worker())).await;

        if auth == ClientAuth::Required {
            refused(&door, &ca, None, "none").await;
        } else {
            let without = gets_in(&door, &ca, None).await;
            assert_eq!(without.len(), VERSIONS.len());
            assert!(without.iter().all(|secured| secured.certificate.is_none()));
        }
    }
}

#[tokio::test]
async fn a_list_of_revoked_certificates_must_be_there_for_each_ca_and_in_force() {
    let ca = Ca::new("ca");
    let other = Ca::new("other");
    let both = format!("{}{}", ca.pem, other.pem);
    let paper = ca.issue(&Wanted::worker("w-1"));
    let door = async |crl: &str| {
        let folder = folder(&ca, &[("ca.pem", &both), ("crl.pem", crl)]);
        Door::open(&folder, Some(ClientAuth::Required)).await
    };

    refused(&door(&ca.crl(&[], -1)).await, &ca, Some(&paper), "expired").await;
    refused(
        &door(&other.crl(&[], 7)).await,
        &ca,
        Some(&paper),
        "of another",
    )
    .await;
    let lists = format!("{}{}", other.crl(&[], 7), ca.crl(&[], 7));
    names(&door(&lists).await, &ca, &paper).await;
}

#[tokio::test]
async fn a_chain_leads_to_the_ca_and_is_looked_at_whole() {
    let root = Ca::new("root");
    let below = root.below("below");
    let paper = below.issue(&Wanted::worker("w-1"));
    let open = async |crl: &str| {
        let folder = folder(&root, &[("crl.pem", crl)]);
        Door::open(&folder, Some(ClientAuth::Required)).await
    };
    let lists = root.crl(&[], 7) + &below.crl(&[], 7);

    names(&open(&lists).await, &root, &paper).await;
    refused(&open(&lists).await, &root, Some(&paper.alone()), "no chain").await;
    // The one between may be revoked itself, so its CA's list is needed as well.
    refused(&open(&below.crl(&[], 7)).await, &root, Some(&paper), "half").await;
}
