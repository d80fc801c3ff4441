use std::time::Duration;

use gateway_core::domain::time::Timestamp;
use metrics::gauge;
use rustls::pki_types::CertificateDer;
use tracing::warn;
use x509_parser::parse_x509_certificate;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::metrics::CERTIFICATE_DAYS;

use super::server::Loaded;

/// An operator wants to hear of it this long before.
const SOON_DAYS: f64 = 14.0;

const DAY: Duration = Duration::from_hours(24);

/// When what TLS goes by expires, each by the first of its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Expiries {
    days: Vec<(&'static str, f64)>,
}

impl Expiries {
    pub(super) fn of(loaded: &Loaded, now: Timestamp) -> Self {
        let trust = loaded.trust.as_ref();
        let authorities = trust
            .map(|trust| ends(&trust.authorities))
            .unwrap_or_default();
        let lists = trust.and_then(|trust| trust.crl()).map(updates);
        let all = [
            ("server", ends(&loaded.chain)),
            ("client_ca", authorities),
            ("crl", lists.unwrap_or_default()),
        ];
        let days = all.into_iter().filter_map(|(file, ends)| {
            let first = ends.into_iter().min()?;
            Some((file, days_until(first, now)))
        });
        Self {
            days: days.collect(),
        }
    }

    /// The days that are left, by what expires: `server`, `client_ca`, `crl`.
    pub fn days(&self) -> &[(&'static str, f64)] {
        &self.days
    }

    /// Shows them to whoever reads metrics.
    pub fn show(&self) {
        for &(file, days) in &self.days {
            gauge!(CERTIFICATE_DAYS, "file" => file).set(days);
        }
    }

    /// Warns of what expires soon, or has.
    pub fn warn(&self) {
        for &(file, days) in self.days.iter().filter(|(_, days)| *days < SOON_DAYS) {
            let days = format!("{days:.1}");
            if days.starts_with('-') {
                warn!(
                    file,
                    days, "TLS: this has expired; put a new one in its place"
                );
            } else {
                warn!(
                    file,
                    days, "TLS: this expires soon; put a new one in its place"
                );
            }
        }
    }
}

/// Unix seconds at which certificates end; one that cannot be read never does.
fn ends(certificates: &[CertificateDer<'_>]) -> Vec<i64> {
    let ends = certificates.iter().filter_map(|certificate| {
        let (_, parsed) = parse_x509_certificate(certificate).ok()?;
        Some(parsed.validity().not_after.timestamp())
    });
    ends.collect()
}

/// Unix seconds at which new lists are due.
fn updates(pem: &[u8]) -> Vec<i64> {
    let blocks = Pem::iter_from_buffer(pem).filter_map(Result::ok);
    let due = blocks.filter_map(|block| {
        let (_, list) = CertificateRevocationList::from_der(&block.contents).ok()?;
        list.next_update().map(|due| due.timestamp())
    });
    due.collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a few thousand years are exact"
)]
fn days_until(second: i64, now: Timestamp) -> f64 {
    (second - now.as_second()) as f64 / DAY.as_secs_f64()
}
