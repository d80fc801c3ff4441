//! What lists of revoked certificates say of themselves.

use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

/// A list of revoked certificates. Times are Unix seconds.
pub(super) struct List {
    /// The name of the CA whose it is, as it is written in certificates.
    pub(super) issuer: Vec<u8>,
    /// That name, to be read.
    pub(super) of: String,
    /// From when on it counts.
    pub(super) from: i64,
    /// When a new one is due, if that is said.
    pub(super) due: Option<i64>,
}

/// Those in the PEM `pem` that can be read.
pub(super) fn of(pem: &[u8]) -> Vec<List> {
    let blocks = Pem::iter_from_buffer(pem).filter_map(Result::ok);
    let lists = blocks.filter_map(|block| {
        let (_, list) = CertificateRevocationList::from_der(&block.contents).ok()?;
        Some(List {
            issuer: list.issuer().as_raw().to_vec(),
            of: list.issuer().to_string(),
            from: list.last_update().timestamp(),
            due: list.next_update().map(|due| due.timestamp()),
        })
    });
    lists.collect()
}
