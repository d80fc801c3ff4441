//! Certificates of all kinds, good and bad, and clients that show them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gateway_adapters::outbound::SystemClock;
use gateway_core::ports::Clock as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// What a certificate is to say.
pub(crate) struct Wanted {
    /// Its names: `uri:…`, `dns:…`, `cn:…`.
    pub(crate) names: Vec<String>,
    /// What it may be used for.
    pub(crate) usage: ExtendedKeyUsagePurpose,
    /// From when to when it is good, in days from now.
    pub(crate) days: (i32, i32),
}

impl Wanted {
    /// A certificate of a worker.
    pub(crate) fn worker(id: &str) -> Self {
        Self {
            names: vec![format!("uri:spiffe://antcode/worker/{id}")],
            usage: ExtendedKeyUsagePurpose::ClientAuth,
            days: (-1, 30),
        }
    }

    /// A certificate of a gateway on this machine.
    pub(crate) fn server() -> Self {
        Self {
            names: vec!["dns:localhost".to_owned()],
            usage: ExtendedKeyUsagePurpose::ServerAuth,
            days: (-1, 30),
        }
    }
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Paper {
    /// The chain, as PEM.
    pub(crate) pem: String,
    /// Its key, as PEM.
    pub(crate) key: String,
    serial: SerialNumber,
}

impl Paper {
    /// The certificate alone, without those that lead to its CA.
    pub(crate) fn alone(&self) -> Self {
        const END: &str = "-----END CERTIFICATE-----\n";
        let mut alone = self.clone();
        alone.pem = self.pem.split_inclusive(END).take(1).collect();
        alone
    }

    /// The chain.
    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        let chain = CertificateDer::pem_slice_iter(self.pem.as_bytes());
        chain.collect::<Result<_, _>>().expect("is PEM")
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("is PEM")
    }
}

/// Somebody who vouches for others.
pub(crate) struct Ca {
    /// Its own certificate, as PEM.
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// Those between it and the root.
    between: String,
}

impl Ca {
    /// One that nobody vouches for.
    pub(crate) fn new(name: &str) -> Self {
        let (about, key) = authority(name);
        let certificate = about.self_signed(&key).expect("signs itself");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(about, key),
            between: String::new(),
        }
    }

    /// One that it vouches for.
    pub(crate) fn below(&self, name: &str) -> Self {
        let (about, key) = authority(name);
        let certificate = about.signed_by(&key, &self.issuer).expect("signs");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(about, key),
            between: certificate.pem() + &self.between,
        }
    }

    /// A certificate for somebody.
    pub(crate) fn issue(&self, wanted: &Wanted) -> Paper {
        let mut about = CertificateParams::default();
        about.distinguished_name = DistinguishedName::new();
        for name in &wanted.names {
            let (kind, name) = name.split_once(':').expect("has a kind");
            let ascii = || name.try_into().expect("is ASCII");
            match kind {
                "cn" => about.distinguished_name.push(DnType::CommonName, name),
                "dns" => about.subject_alt_names.push(SanType::DnsName(ascii())),
                _ => about.subject_alt_names.push(SanType::URI(ascii())),
            }
        }
        about.extended_key_usages = vec![wanted.usage.clone()];
        about.not_before = days_from_now(wanted.days.0).into();
        about.not_after = days_from_now(wanted.days.1).into();
        about.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("makes a key");
        let serial = SerialNumber::from(rand::random::<u64>() >> 1);
        about.serial_number = Some(serial.clone());
        let certificate = about.signed_by(&key, &self.issuer).expect("signs");
        Paper {
            pem: certificate.pem() + &self.between,
            key: key.serialize_pem(),
            serial,
        }
    }

    /// The list of those it has revoked, as PEM; a new one is due in so many days.
    pub(crate) fn crl(&self, revoked: &[&Paper], due: i32) -> String {
        self.crl_of_days(revoked, (-3, due))
    }

    /// The same, from when to when it is good in days from now.
    pub(crate) fn crl_of_days(&self, revoked: &[&Paper], (from, due): (i32, i32)) -> String {
        let revoked = revoked.iter().map(|paper| RevokedCertParams {
            serial_number: paper.serial.clone(),
            revocation_time: days_from_now(-3).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: days_from_now(from).into(),
            next_update: days_from_now(due).into(),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("signs");
        list.pem().expect("is PEM")
    }
}

fn authority(name: &str) -> (CertificateParams, KeyPair) {
    let mut about = CertificateParams::default();
    about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    about.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    about.distinguished_name.push(DnType::CommonName, name);
    (about, KeyPair::generate().expect("makes a key"))
}

fn days_from_now(days: i32) -> SystemTime {
    let now = SystemTime::from(SystemClock.now());
    let distance = DAY * days.unsigned_abs();
    if days < 0 {
        now - distance
    } else {
        now + distance
    }
}

/// A folder with the files that a gateway goes by.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// One with a certificate and its key, and whatever else is named.
    pub(crate) fn new(server: &Paper, others: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("makes a folder"));
        folder.put("server.pem", &server.pem);
        folder.put("server.key", &server.key);
        for (name, text) in others {
            folder.put(name, text);
        }
        folder
    }

    /// Puts a file in the place of one that may be there, at once.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let new = self.path("new");
        fs::write(&new, text).expect("writes");
        fs::rename(new, self.path(name)).expect("renames");
    }

    /// Where a file is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same as a setting has it.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("is UTF-8").to_owned()
    }
}

/// A client that trusts `ca`, shows `paper` and speaks HTTP/2, by any of `versions`.
pub(crate) fn client(
    ca: &Ca,
    paper: Option<&Paper>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca.pem.as_bytes()) {
        roots.add(root.expect("is PEM")).expect("is a CA");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("are spoken")
        .with_root_certificates(roots);
    let mut config = match paper {
        Some(paper) => config
            .with_client_auth_cert(paper.chain(), paper.private_key())
            .expect("fit each other"),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Connects, and does the client's half of the handshake.
pub(crate) async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("is a name");
    TlsConnector::from(config.clone())
        .connect(name, socket)
        .await
}
