use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::free_port;
use super::redis::{RedisOptions, RedisServer};

/// A Redis that speaks TLS, and knows its clients by their certificates.
///
/// Its plain port stays open, for the test.
pub(crate) struct RedisTls {
    /// What the test itself speaks to.
    pub(crate) server: RedisServer,
    /// Who vouches for it, and for its clients.
    pub(crate) authority: Authority,
    /// The certificate of a client, and its key.
    pub(crate) client: (PathBuf, PathBuf),
    port: u16,
}

impl RedisTls {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let authority = Authority::new();
        let vouches = authority.certificate();
        let (certificate, key) = authority.issue("server");
        let port = free_port();
        let port_text = port.to_string();
        let tls = [
            ("--tls-port", port_text.as_str()),
            ("--tls-ca-cert-file", text(&vouches)),
            ("--tls-cert-file", text(&certificate)),
            ("--tls-key-file", text(&key)),
            ("--tls-auth-clients", "yes"),
        ];
        let words = tls.iter().flat_map(|&(name, value)| [name, value]);
        let server = RedisServer::start_with(RedisOptions {
            append_only: false,
            arguments: words.map(str::to_owned).collect(),
        })
        .await;
        let client = authority.issue("client");
        Self {
            server,
            authority,
            client,
            port,
        }
    }

    /// Where clients find it; `who` is `user:password@`, or nothing.
    pub(crate) fn url(&self, who: &str) -> String {
        format!("rediss://{who}127.0.0.1:{}/0", self.port)
    }
}

/// Somebody who vouches for others, and the folder with the papers.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// One that nobody knows yet.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("makes a folder");
        let key = KeyPair::generate().expect("makes a key");
        let mut about = CertificateParams::default();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        about
            .distinguished_name
            .push(DnType::CommonName, "authority");
        let certificate = about.self_signed(&key).expect("signs itself");
        fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("writes");
        Self {
            folder,
            issuer: Issuer::new(about, key),
        }
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate and its key for somebody at this machine.
    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("makes a key");
        let about = CertificateParams::new(["127.0.0.1".to_owned()]).expect("is an address");
        let certificate = about.signed_by(&key, &self.issuer).expect("signs");
        let file = |extension| self.folder.path().join(format!("{name}.{extension}"));
        fs::write(file("pem"), certificate.pem()).expect("writes");
        fs::write(file("key"), key.serialize_pem()).expect("writes");
        (file("pem"), file("key"))
    }
}

/// A path as the settings have it.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("is UTF-8")
}
