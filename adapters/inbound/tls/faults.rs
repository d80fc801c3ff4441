//! What would shut out whoever is let in now: new files that are no better than none.

use std::fmt;

use gateway_core::domain::time::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

use super::files::{File, Files, LoadError};
use super::lists::{self, List};
use super::server::Loaded;

/// A CA of whose certificates none counts.
#[derive(Debug)]
pub(super) struct Fault {
    /// The CA's name, as it is written in certificates.
    name: Vec<u8>,
    why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Which of `authorities`, or of those that have a list, have none in the PEM `pem` that counts at
/// `now`. A list that is over shuts out even where another one is good.
pub(super) fn of(authorities: &[CertificateDer<'_>], pem: &[u8], now: Timestamp) -> Vec<Fault> {
    let lists = lists::of(pem);
    let names = authorities.iter().filter_map(|authority| {
        let (_, parsed) = parse_x509_certificate(authority).ok()?;
        let subject = parsed.subject();
        Some((subject.as_raw().to_vec(), subject.to_string()))
    });
    let missing = names
        .filter(|(name, _)| !lists.iter().any(|list| list.issuer == *name))
        .map(|(name, text)| Fault {
            name,
            why: format!("there is no list of {text} in it"),
        });
    let unfit = lists.iter().filter_map(|list| {
        Some(Fault {
            name: list.issuer.clone(),
            why: unfit(list, now)?,
        })
    });
    missing.chain(unfit).collect()
}

fn unfit(list: &List, now: Timestamp) -> Option<String> {
    let (now, of) = (now.as_second(), &list.of);
    if list.from > now {
        return Some(format!("the list of {of} is not in force yet"));
    }
    let over = list.due.is_some_and(|due| due <= now);
    over.then(|| format!("the list of {of} is over: a newer one was due"))
}

/// Makes sure that nobody is shut out by what is `new` who is let in by what is `known`.
///
/// # Errors
///
/// [`LoadError`], naming the file that would.
pub(super) fn expect_no_worse(
    files: &Files,
    known: &Loaded,
    new: &Loaded,
    now: Timestamp,
) -> Result<(), LoadError> {
    let in_force = |loaded: &Loaded| {
        loaded
            .chain
            .first()
            .is_some_and(|own| is_in_force(own, now))
    };
    if in_force(known) && !in_force(new) {
        let why = "the first certificate in it is over, or not in force yet";
        return Err(files.error(File::Certificate, kept(why)));
    }
    let faults = |loaded: &Loaded| {
        let trust = loaded.trust.as_ref();
        trust.map_or_else(Vec::new, |trust| trust.faults(now))
    };
    let borne = faults(known);
    let is_new = |fault: &Fault| !borne.iter().any(|known| known.name == fault.name);
    match faults(new).into_iter().find(is_new) {
        Some(fault) => Err(files.error(File::Crl, kept(&fault.to_string()))),
        None => Ok(()),
    }
}

fn kept(why: &str) -> String {
    format!("{why}, and what is in force is still good")
}

/// Whether `certificate` is good at `now`, by its dates.
fn is_in_force(certificate: &CertificateDer<'_>, now: Timestamp) -> bool {
    let Ok((_, parsed)) = parse_x509_certificate(certificate) else {
        return false;
    };
    let (validity, now) = (parsed.validity(), now.as_second());
    (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
}
