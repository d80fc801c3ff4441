use std::sync::Arc;
use std::time::Duration;

use gateway_core::ports::Clock;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{Error, InconsistentKeys};

use super::faults;
use super::files::{File, Files, LoadError};
use super::trust::Trust;

/// The one protocol that is spoken over TLS.
pub(super) const ALPN: &[u8] = b"h2";

/// All that a handshake goes by, whole: nothing of it changes but all of it at once.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// Our own certificate, and those that lead to its CA.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) trust: Option<Arc<Trust>>,
}

impl Loaded {
    /// Reads all files; what they hold is taken whole, or not at all. It may be no good, but only
    /// as far as what is `known` is no good either.
    pub(super) fn read(
        files: &Files,
        clock: &Arc<dyn Clock>,
        known: Option<&Self>,
    ) -> Result<Self, LoadError> {
        let new = Self::parse(files, clock, known)?;
        if let Some(known) = known {
            faults::expect_no_worse(files, known, &new, clock.now())?;
        }
        Ok(new)
    }

    fn parse(
        files: &Files,
        clock: &Arc<dyn Clock>,
        known: Option<&Self>,
    ) -> Result<Self, LoadError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = files.chain()?;
        let key = certified(files, chain.clone(), &provider)?;
        let known = known.and_then(|known| known.trust.as_ref());
        let trust = files.clients.as_ref();
        let trust = trust.map(|clients| Trust::load(files, clients, &provider, known));
        let trust = trust.transpose()?;
        let versions = ServerConfig::builder_with_details(provider, Arc::new(Time(clock.clone())))
            .with_safe_default_protocol_versions();
        let versions = versions.map_err(|error| files.error(File::Certificate, error))?;
        let clients = match &trust {
            Some(trust) => versions.with_client_cert_verifier(trust.verifier.clone()),
            None => versions.with_no_client_auth(),
        };
        let resolver = rustls::sign::SingleCertAndKey::from(key);
        let mut config = clients.with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // What is sent before the handshake has ended could be sent again by anybody.
        config.max_early_data_size = 0;
        if trust.is_some() {
            // A session that is resumed asks nobody whether its certificate is still good.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self {
            config: Arc::new(config),
            chain,
            trust,
        })
    }
}

fn certified(
    files: &Files,
    chain: Vec<CertificateDer<'static>>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, LoadError> {
    let key = files.private_key()?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        if let Error::InvalidCertificate(why) = error {
            let why = format!("the first certificate in it cannot be used: {why}");
            files.error(File::Certificate, why)
        } else if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            files.error(
                File::Key,
                "the key is not that of the certificate; the first certificate of the chain must \
                 be the gateway's own",
            )
        } else {
            files.error(File::Key, format!("the key cannot be used: {error}"))
        }
    })
}

/// The time of day, for rustls.
#[derive(Clone)]
struct Time(Arc<dyn Clock>);

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(now(&*self.0))
    }
}

/// What time it is, as certificates have it.
pub(super) fn now(clock: &dyn Clock) -> UnixTime {
    let seconds = u64::try_from(clock.now().as_second()).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
