//! What a key hashes to. Keys have 256 random bits, so that a plain hash keeps them.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of a key.
pub(super) type Digest = [u8; 32];

pub(super) fn digest(key: &str) -> Digest {
    Sha256::digest(key).into()
}

/// In lower-case hex, as the tables hold it.
pub(super) fn hex(digest: &Digest) -> String {
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string does not fail.
            let _written = write!(text, "{byte:02x}");
            text
        })
}

/// Whether both are the same; how long that takes tells nothing of how much of them is.
pub(super) fn same(one: &Digest, other: &Digest) -> bool {
    let differences = one.iter().zip(other).map(|(one, other)| one ^ other);
    differences.fold(0, |all, difference| all | difference) == 0
}
