use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// Where what TLS needs is found, as PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// Our certificate, and those that lead to its CA.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What clients are verified with, if they are.
    pub clients: Option<ClientFiles>,
}

/// What clients are verified with.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// The CAs whose certificates count.
    pub ca: PathBuf,
    /// What those CAs have revoked. With it, each CA of a client's chain needs its list.
    pub crl: Option<PathBuf>,
    /// Whether a client must present a certificate.
    pub auth: ClientAuth,
}

/// Whether a client must present a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Without one there is no connection.
    Required,
    /// It may do without; one that it presents must be good.
    Optional,
}

impl Files {
    /// All of them.
    pub fn paths(&self) -> Vec<PathBuf> {
        let clients = self.clients.iter();
        let clients = clients.flat_map(|clients| [Some(&clients.ca), clients.crl.as_ref()]);
        [&self.certificate, &self.key]
            .into_iter()
            .chain(clients.flatten())
            .cloned()
            .collect()
    }

    fn path(&self, file: File) -> Option<&PathBuf> {
        match file {
            File::Certificate => Some(&self.certificate),
            File::Key => Some(&self.key),
            File::ClientCa => self.clients.as_ref().map(|clients| &clients.ca),
            File::Crl => self.clients.as_ref()?.crl.as_ref(),
        }
    }

    /// `why` as an error about `file`.
    pub(super) fn error(&self, file: File, why: impl fmt::Display) -> LoadError {
        LoadError {
            file,
            path: self.path(file).cloned().unwrap_or_default(),
            why: why.to_string(),
        }
    }

    pub(super) fn read(&self, file: File) -> Result<Vec<u8>, LoadError> {
        let path = self.path(file).map_or(Path::new(""), PathBuf::as_path);
        fs::read(path).map_err(|error| self.error(file, error))
    }

    /// Our certificate with its chain.
    pub(super) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, LoadError> {
        let pem = self.read(File::Certificate)?;
        self.all(File::Certificate, &pem)
    }

    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, LoadError> {
        let pem = self.read(File::Key)?;
        PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
            // Its own words cite the file, and this one is secret.
            let why = if contains(&pem, b"ENCRYPTED") {
                "the key is encrypted; decrypt it (openssl pkey -in FILE), and let only the \
                 gateway's user read it"
            } else if matches!(error, PemError::NoItemsFound) {
                "there is no private key in it; a PEM block that begins with -----BEGIN PRIVATE \
                 KEY----- would do"
            } else {
                "it is no sound PEM"
            };
            self.error(File::Key, why)
        })
    }

    /// All certificates in `pem`; there must be one at least.
    pub(super) fn all(
        &self,
        file: File,
        pem: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, LoadError> {
        self.blocks(file, pem, "CERTIFICATE")
    }

    /// All lists of revoked certificates in `pem`; there must be one at least.
    pub(super) fn lists(
        &self,
        pem: &[u8],
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, LoadError> {
        self.blocks(File::Crl, pem, "X509 CRL")
    }

    fn blocks<T: PemObject>(
        &self,
        file: File,
        pem: &[u8],
        kind: &str,
    ) -> Result<Vec<T>, LoadError> {
        let found: Result<Vec<T>, PemError> = T::pem_slice_iter(pem).collect();
        let found = found.map_err(|error| self.error(file, format!("it is no PEM: {error}")))?;
        if found.is_empty() {
            return Err(self.error(
                file,
                format!("there is no {kind} in it; PEM that has -----BEGIN {kind}----- would do"),
            ));
        }
        Ok(found)
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

/// One of [`Files`].
#[expect(missing_docs, reason = "the fields of `Files` say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    Certificate,
    Key,
    ClientCa,
    Crl,
}

/// Why a file cannot be used; nothing of a key is in it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct LoadError {
    /// Which it is.
    pub file: File,
    path: PathBuf,
    why: String,
}
