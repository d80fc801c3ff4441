use std::collections::HashSet;
use std::time::Duration;

use gateway_core::domain::time::Timestamp;
use metrics::gauge;
use rustls::pki_types::CertificateDer;
use tracing::warn;
use x509_parser::parse_x509_certificate;

use crate::metrics::CERTIFICATE_DAYS;

use super::lists;
use super::server::Loaded;

/// An operator wants to hear of it this long before. Lists live for days, and are replaced in good
/// time: of one it is said in the last fifth of its life.
const SOON_DAYS: f64 = 14.0;
const LAST_PART: f64 = 0.2;

const DAY: Duration = Duration::from_hours(24);

/// When what TLS goes by expires.
#[derive(Clone, Debug, PartialEq)]
pub struct Expiries {
    all: Vec<Expiry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Expiry {
    file: &'static str,
    /// The days that are left.
    days: f64,
    /// As soon as fewer than these are left, an operator wants to hear of it.
    soon: f64,
}

impl Expiries {
    pub(super) fn of(loaded: &Loaded, now: Timestamp) -> Self {
        let trust = loaded.trust.as_ref();
        let authorities = trust.map(|trust| &*trust.authorities).unwrap_or_default();
        let lists = trust.and_then(|trust| trust.crl()).map(lists::of);
        let certificates = [("server", &*loaded.chain), ("client_ca", authorities)];
        let certificates = certificates.into_iter().flat_map(|(file, certificates)| {
            let ends = certificates.iter().filter_map(end);
            ends.map(move |end| Expiry {
                file,
                days: days(now.as_second(), end),
                soon: SOON_DAYS,
            })
        });
        let lists = lists.unwrap_or_default();
        let lists = lists.iter().filter_map(|list| {
            let due = list.due?;
            Some(Expiry {
                file: "crl",
                days: days(now.as_second(), due),
                soon: SOON_DAYS.min(days(list.from, due) * LAST_PART),
            })
        });
        let mut all: Vec<Expiry> = certificates.chain(lists).collect();
        all.sort_by(|one, other| one.days.total_cmp(&other.days));
        Self { all }
    }

    /// The days that are left of the first to expire of each file: `server`, `client_ca`, `crl`.
    pub fn days(&self) -> impl Iterator<Item = (&'static str, f64)> {
        first_of_each(self.all.iter()).map(|it| (it.file, it.days))
    }

    /// What expires soon, or has: of each file the first, with the days that are left.
    pub fn soon(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let soon = self.all.iter().filter(|it| it.days < it.soon);
        first_of_each(soon).map(|it| (it.file, it.days))
    }

    /// Shows them to whoever reads metrics.
    pub fn show(&self) {
        for (file, days) in self.days() {
            gauge!(CERTIFICATE_DAYS, "file" => file).set(days);
        }
    }

    /// Warns of what expires soon, or has.
    pub fn warn(&self) {
        for (file, days) in self.soon() {
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

fn first_of_each<'a>(all: impl Iterator<Item = &'a Expiry>) -> impl Iterator<Item = &'a Expiry> {
    let mut told = HashSet::new();
    all.filter(move |it| told.insert(it.file))
}

/// The Unix second at which `certificate` ends; one that cannot be read never does.
fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a few thousand years are exact"
)]
fn days(from: i64, to: i64) -> f64 {
    (to - from) as f64 / DAY.as_secs_f64()
}
