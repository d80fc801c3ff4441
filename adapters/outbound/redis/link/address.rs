//! Where Redis is, read from its URL.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fred::types::RespVersion;
use fred::types::config::{Config, TlsConfig, TlsConnector};
use gateway_core::domain::identity::Secret;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// The address of Redis, and the files that TLS needs.
#[derive(Clone, Debug)]
pub struct Address {
    /// `redis`, `rediss`, and either of them with `-cluster` or `-sentinel`.
    pub url: Secret,
    /// What `rediss` takes besides.
    pub tls: TlsFiles,
}

/// Files for TLS, as PEM.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Who vouches for Redis; the system's authorities, if it is left out.
    pub ca: Option<PathBuf>,
    /// Our certificate chain and its key, if Redis asks who we are.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Why Redis cannot be addressed.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The URL is none that can be used. Its text may hold a password, so it is not shown.
    #[error("the URL of Redis cannot be used: {0}")]
    Url(String),
    /// A file is no good.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("TLS to Redis cannot be set up: {0}")]
    Tls(String),
    /// The library does not take it.
    #[error("Redis cannot be addressed: {0}")]
    Refused(String),
}

impl Address {
    /// An address that takes no TLS.
    pub fn plain(url: &str) -> Self {
        Self {
            url: Secret::new(url),
            tls: TlsFiles::default(),
        }
    }

    pub(super) fn config(&self) -> Result<Config, AddressError> {
        let url = self.url.expose();
        // fred's parser would ask the environment and the system's store; TLS is set up here.
        let plain = match url.split_once("://") {
            Some((scheme, rest)) if scheme.to_ascii_lowercase().starts_with("rediss") => {
                format!(
                    "redis{}://{rest}",
                    &scheme["rediss".len()..].to_ascii_lowercase()
                )
            }
            _ => url.to_owned(),
        };
        let encrypted = plain != url && url.to_ascii_lowercase().starts_with("rediss");
        let mut config = Config::from_url(&plain)
            .map_err(|error| AddressError::Url(error.details().to_owned()))?;
        // A Redis that is not there yet must not stop the start.
        config.fail_fast = false;
        config.version = RespVersion::RESP2;
        if encrypted {
            config.tls = Some(self.tls()?);
        }
        Ok(config)
    }

    fn tls(&self) -> Result<TlsConfig, AddressError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| AddressError::Tls(error.to_string()))?
            .with_root_certificates(self.roots()?);
        let config = match &self.tls.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
                let built = builder.with_client_auth_cert(chain, key);
                built.map_err(|error| AddressError::Tls(error.to_string()))?
            }
        };
        Ok(TlsConfig::from(TlsConnector::from(config)))
    }

    fn roots(&self) -> Result<RootCertStore, AddressError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = &self.tls.ca {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| bad(path, &error))?;
            }
        } else {
            // One bad file of the system's spoils no other.
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        if roots.is_empty() {
            return Err(AddressError::Tls(
                "no certificate authority was found".to_owned(),
            ));
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AddressError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| bad(path, &error))?;
    let all: Result<Vec<_>, _> = read.collect();
    let all = all.map_err(|error| bad(path, &error))?;
    if all.is_empty() {
        return Err(bad(path, &"holds no certificate"));
    }
    Ok(all)
}

fn bad(path: &Path, reason: &dyn std::fmt::Display) -> AddressError {
    AddressError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}
