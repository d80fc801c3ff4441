//! Certificates with which to try TLS and mTLS; no authority would issue them like this.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

/// How long they are good for.
const LIFETIME: Duration = Duration::from_hours(365 * 24);

/// Clocks differ.
const LEEWAY: Duration = Duration::from_hours(1);

/// The names by which one reaches a gateway on one's own machine.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What certificates to make.
#[derive(Clone, Debug)]
pub struct DevCertificates {
    /// Where to put them.
    pub folder: PathBuf,
    /// Further names and addresses of the gateway.
    pub names: Vec<String>,
    /// The workers.
    pub workers: Vec<WorkerId>,
    /// Whether files that are there may be replaced.
    pub force: bool,
    /// From when on they are good.
    pub now: Timestamp,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// They would have taken the place of others.
    #[error("{} is there already; --force puts a new one in its place", .0.display())]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("{}: {}", .0.display(), .1)]
    Unwritten(PathBuf, io::Error),
    /// A name is none.
    #[error("--name {0} is no name or address of a gateway")]
    Name(String),
    /// The cryptography failed.
    #[error("a certificate cannot be made: {0}")]
    Unmade(#[from] rcgen::Error),
}

/// A certificate and its key, in a folder.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key; only the owner of the file can read it.
    pub key: PathBuf,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The CA of the others.
    pub ca: Pair,
    /// The gateway's.
    pub server: Pair,
    /// A client's that is no worker: for probes.
    pub probe: Pair,
    /// The workers', in their order.
    pub workers: Vec<Pair>,
}

impl DevCertificates {
    /// Makes them all, or none.
    ///
    /// # Errors
    ///
    /// [`CertsError::Exists`] unless that is forced.
    pub fn make(&self) -> Result<Made, CertsError> {
        let made = Made {
            ca: self.pair("ca"),
            server: self.pair("server"),
            probe: self.pair("probe"),
            workers: self.workers.iter().map(|id| self.pair(&name(id))).collect(),
        };
        if !self.force {
            nothing_is_there(&made)?;
        }
        create(&self.folder).map_err(|error| CertsError::Unwritten(self.folder.clone(), error))?;
        let key = KeyPair::generate()?;
        let about = self.authority();
        write(&made.ca, &about.self_signed(&key)?.pem(), &key)?;
        let issuer = Issuer::new(about, key);
        issue(&made.server, &self.server()?, &issuer)?;
        issue(
            &made.probe,
            &self.client("spiffe://antcode/probe")?,
            &issuer,
        )?;
        for (worker, pair) in self.workers.iter().zip(&made.workers) {
            let uri = format!("spiffe://antcode/worker/{worker}");
            issue(pair, &self.client(&uri)?, &issuer)?;
        }
        Ok(made)
    }

    fn pair(&self, name: &str) -> Pair {
        Pair {
            certificate: self.folder.join(format!("{name}.pem")),
            key: self.folder.join(format!("{name}.key")),
        }
    }

    fn authority(&self) -> CertificateParams {
        let mut about = self.about(CertificateParams::default());
        // Where the name of who issues is that of whom it is for, OpenSSL takes a certificate for its
        // own CA's.
        let name = "AntCode development CA";
        about.distinguished_name.push(DnType::CommonName, name);
        about.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        about.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        about
    }

    fn server(&self) -> Result<CertificateParams, CertsError> {
        let mut about = CertificateParams::new(HERE.map(str::to_owned))?;
        for name in &self.names {
            let named = CertificateParams::new([name.clone()]);
            let named = named.map_err(|_| CertsError::Name(name.clone()))?;
            about.subject_alt_names.extend(named.subject_alt_names);
        }
        let mut about = self.about(about);
        about.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        Ok(about)
    }

    fn client(&self, uri: &str) -> Result<CertificateParams, CertsError> {
        let mut about = self.about(CertificateParams::default());
        about.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        about.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(about)
    }

    /// What all of them have in common. But for the CA there is no common name: it would be a second
    /// name.
    fn about(&self, mut about: CertificateParams) -> CertificateParams {
        let now = SystemTime::from(self.now);
        about.not_before = (now - LEEWAY).into();
        about.not_after = (now + LIFETIME).into();
        about.distinguished_name = DistinguishedName::new();
        let organization = "AntCode, for development only";
        about
            .distinguished_name
            .push(DnType::OrganizationName, organization);
        about.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        about.use_authority_key_identifier_extension = true;
        about
    }
}

/// What the files of a worker are called.
fn name(worker: &WorkerId) -> String {
    format!("worker-{worker}")
}

fn nothing_is_there(made: &Made) -> Result<(), CertsError> {
    let pairs = [&made.ca, &made.server, &made.probe];
    let mut files = pairs
        .into_iter()
        .chain(&made.workers)
        .flat_map(|pair| [&pair.certificate, &pair.key]);
    match files.find(|file| file.exists()) {
        Some(file) => Err(CertsError::Exists(file.clone())),
        None => Ok(()),
    }
}

fn issue(
    pair: &Pair,
    about: &CertificateParams,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(), CertsError> {
    let key = KeyPair::generate()?;
    write(pair, &about.signed_by(&key, issuer)?.pem(), &key)
}

fn write(pair: &Pair, certificate: &str, key: &KeyPair) -> Result<(), CertsError> {
    let certificate = (&pair.certificate, certificate, 0o644);
    for (path, pem, mode) in [certificate, (&pair.key, &*key.serialize_pem(), 0o600)] {
        write_anew(path, pem, mode).map_err(|error| CertsError::Unwritten(path.clone(), error))?;
    }
    Ok(())
}

/// Writes a file in the place of one that may be there; that one's mode does not live on.
fn write_anew(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _no_such_thing = mode;
    options.open(path)?.write_all(text.as_bytes())
}

fn create(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use x509_parser::pem::parse_x509_pem;

    use super::*;

    fn asked(folder: &Path) -> DevCertificates {
        DevCertificates {
            folder: folder.join("certs"),
            names: vec!["gateway.example".to_owned(), "10.0.0.1".to_owned()],
            workers: vec![WorkerId::parse("w-1").expect("is an identifier")],
            force: false,
            now: "2026-11-23T00:00:00Z".parse().expect("is a time"),
        }
    }

    #[test]
    fn what_is_there_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let mut asked = asked(folder.path());
        let made = asked.make().expect("are made");
        let read = || fs::read_to_string(&made.server.key).expect("is there");
        let before = read();

        let refused = asked.make().expect_err("are there");
        assert!(matches!(refused, CertsError::Exists(_)), "{refused}");
        assert_eq!(read(), before);
        asked.force = true;
        asked.make().expect("are made");
        assert_ne!(read(), before);
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().expect("makes a folder");
        let made = asked(folder.path()).make().expect("are made");

        for pair in [&made.ca, &made.server, &made.probe, &made.workers[0]] {
            let metadata = fs::metadata(&pair.key).expect("is there");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn none_but_the_ca_goes_by_its_issuers_name() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let made = asked(folder.path()).make().expect("are made");

        let own = |pair: &Pair| {
            let pem = fs::read(&pair.certificate).expect("is there");
            let (_, pem) = parse_x509_pem(&pem).expect("is PEM");
            let certificate = pem.parse_x509().expect("is a certificate");
            certificate.subject() == certificate.issuer()
        };
        assert!(own(&made.ca));
        for pair in [&made.server, &made.probe, &made.workers[0]] {
            assert!(!own(pair), "{}", pair.certificate.display());
        }
    }

    #[test]
    fn a_name_that_is_none_is_told() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let mut asked = asked(folder.path());
        asked.names.push("蚂蚁".to_owned());

        let refused = asked.make().expect_err("is no name");
        assert!(refused.to_string().contains("--name 蚂蚁"), "{refused}");
    }
}
