//! TLS to the database: with anybody, or with the one that it should be (T33).
//!
//! They speak TLS with a real server, so that none of them passes without the feature for it.

use std::fs;
use std::path::PathBuf;

use gateway_adapters::outbound::mysql::{Link, LinkSettings, Tls};
use gateway_core::domain::identity::Secret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::servers::{Database, LONG, MariaDb};

/// A server that has a certificate for the name `localhost`, and those who may vouch for it.
struct Secured {
    server: MariaDb,
    database: Database,
    folder: TempDir,
}

impl Secured {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let path = |name: &str| folder.path().join(name);
        let ours = authority("ours");
        let others = authority("another's");
        let key = KeyPair::generate().expect("makes a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("is a name");
        let certificate = params.signed_by(&key, &ours).expect("signs");
        for (name, pem) in [
            ("ca.pem", ours.pem()),
            ("other.pem", others.pem()),
            ("cert.pem", certificate.pem()),
            ("key.pem", key.serialize_pem()),
        ] {
            fs::write(path(name), pem).expect("writes");
        }
        let file = |option, name| format!("--ssl-{option}={}", path(name).display());
        let (cert, key) = (file("cert", "cert.pem"), file("key", "key.pem"));
        let server = MariaDb::start_with(&[&cert, &key]).await;
        let database = server.empty_database().await;
        Self {
            server,
            database,
            folder,
        }
    }

    fn link(&self, host: &str, tls: Tls, ca: Option<&str>, mode: &str) -> Link {
        let url = self.database.url.replace("127.0.0.1", host);
        let ca: Option<PathBuf> = ca.map(|name| self.folder.path().join(name));
        let link = Link::connect(&LinkSettings {
            url: Secret::new(format!("{url}{mode}")),
            tls,
            ca,
            pool_size: 1,
        });
        link.expect("is an address")
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let key = KeyPair::generate().expect("makes a key");
    CertifiedIssuer::self_signed(params, key).expect("signs itself")
}

/// Why there is no connection; none if there is one.
async fn trouble(link: &Link) -> Option<String> {
    let mut away = link.away();
    let known = away.wait_for(|reason| reason.as_deref() != Some("not connected yet"));
    let known = timeout(LONG, known).await.expect("in time");
    known.expect("is told").clone()
}

/// How, by whom it is vouched for, what the address says besides; and why it comes to nothing, if
/// it does.
type Case = (
    &'static str,
    Tls,
    Option<&'static str>,
    &'static str,
    Option<&'static str>,
);

const CASES: &[Case] = &[
    ("127.0.0.1", Tls::Disabled, None, "", Some("Access denied")),
    ("127.0.0.1", Tls::Required, None, "", None),
    ("127.0.0.1", Tls::Disabled, None, "?ssl-mode=REQUIRED", None),
    ("localhost", Tls::Verified, Some("ca.pem"), "", None),
    (
        "localhost",
        Tls::Disabled,
        Some("ca.pem"),
        "?ssl-mode=VERIFY_IDENTITY",
        None,
    ),
    (
        "localhost",
        Tls::Verified,
        Some("other.pem"),
        "",
        Some("invalid peer certificate"),
    ),
    // The system's, which know nothing of it.
    (
        "localhost",
        Tls::Verified,
        None,
        "",
        Some("invalid peer certificate"),
    ),
    (
        "127.0.0.1",
        Tls::Verified,
        Some("ca.pem"),
        "",
        Some("not valid for name"),
    ),
    (
        "127.0.0.1",
        Tls::Disabled,
        Some("ca.pem"),
        "?ssl-mode=VERIFY_CA",
        Some("not valid for name"),
    ),
];

/// T33
#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_as_far_as_the_settings_say() {
    let secured = Secured::start().await;
    // Whoever does not encrypt is turned away, so that those who come in do.
    secured
        .server
        .query("ALTER USER 'gateway'@'%' REQUIRE SSL")
        .await;

    for (host, tls, ca, mode, refused) in CASES {
        let link = secured.link(host, *tls, *ca, mode);
        let case = format!("{host} {tls:?} {ca:?} {mode}");
        match (trouble(&link).await, *refused) {
            (None, None) => {}
            (Some(told), Some(part)) => assert!(told.contains(part), "{case}: {told}"),
            (told, _) => panic!("{case}: {told:?}"),
        }
    }
}

/// T33
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_not_spoken_to_where_it_is_required() {
    let database = MariaDb::shared().await.empty_database().await;
    for tls in [Tls::Required, Tls::Verified] {
        let ca = tempfile::NamedTempFile::new().expect("makes a file");
        fs::write(ca.path(), authority("any").pem()).expect("writes");
        let link = Link::connect(&LinkSettings {
            tls,
            ca: Some(ca.path().to_owned()),
            ..database.settings()
        });
        let told = trouble(&link.expect("is an address")).await;
        assert!(told.is_some_and(|told| told.contains("SSL")), "{tls:?}");
    }
}
