use std::sync::Arc;

use gateway_core::domain::time::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::faults::{self, Fault};
use super::files::{ClientAuth, ClientFiles, File, Files, LoadError};

/// Whose certificates count, and which of them do no more.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// The CAs' certificates.
    pub(super) authorities: Vec<CertificateDer<'static>>,
    /// What the files held, by which one tells whether they hold something else now.
    ca: Vec<u8>,
    crl: Option<Vec<u8>>,
}

impl Trust {
    /// Reads the files, or leaves `known` in force if they hold nothing new.
    pub(super) fn load(
        files: &Files,
        clients: &ClientFiles,
        provider: &Arc<CryptoProvider>,
        known: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, LoadError> {
        let ca = files.read(File::ClientCa)?;
        let crl = clients.crl.as_ref().map(|_| files.read(File::Crl));
        let crl = crl.transpose()?;
        if let Some(known) = known.filter(|known| known.ca == ca && known.crl == crl) {
            return Ok(known.clone());
        }
        let authorities = files.all(File::ClientCa, &ca)?;
        let mut roots = RootCertStore::empty();
        for authority in &authorities {
            let added = roots.add(authority.clone());
            added.map_err(|error| files.error(File::ClientCa, error))?;
        }
        let mut verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        if let Some(pem) = &crl {
            let lists = files.lists(pem)?;
            verifier = verifier.with_crls(lists).enforce_revocation_expiration();
        }
        if clients.auth == ClientAuth::Optional {
            verifier = verifier.allow_unauthenticated();
        }
        // The CAs are sound by now.
        let verifier = verifier.build();
        Ok(Arc::new(Self {
            verifier: verifier.map_err(|error| files.error(File::Crl, error))?,
            authorities,
            ca,
            crl,
        }))
    }

    /// What the file of revoked certificates held.
    pub(super) fn crl(&self) -> Option<&[u8]> {
        self.crl.as_deref()
    }

    /// Of which CAs no certificate counts at `now`, for want of a list that does.
    pub(super) fn faults(&self, now: Timestamp) -> Vec<Fault> {
        self.crl()
            .map_or_else(Vec::new, |lists| faults::of(&self.authorities, lists, now))
    }

    /// Whether the certificate at the head of `chain` counts at `now`.
    pub(super) fn accepts(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> bool {
        chain.split_first().is_some_and(|(leaf, others)| {
            let verified = self.verifier.verify_client_cert(leaf, others, now);
            verified.is_ok()
        })
    }
}
