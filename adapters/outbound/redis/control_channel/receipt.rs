use gateway_core::domain::id::{ReceiptId, WorkerId};
use sha2::{Digest as _, Sha256};

use super::entry_id::EntryId;

/// Where a command came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The worker's own stream.
    Own,
    /// The stream for everyone.
    Global,
}

impl Origin {
    /// What scripts call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Global => "global",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Own => "o",
            Self::Global => "g",
        }
    }
}

/// Whose a receipt is, by its text alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The worker's who shows it, or it may be: for this entry.
    Theirs(Origin, EntryId),
    /// Another worker's.
    Anothers,
    /// Nobody's.
    Void,
}

/// The receipt of `worker` for an entry: `<id>.<o or g>.<whose>`.
pub(super) fn make(worker: &WorkerId, origin: Origin, id: EntryId) -> ReceiptId {
    let text = format!("{id}.{}.{}", origin.mark(), tag(worker));
    ReceiptId::parse(&text).expect("two numbers of 20 digits and 20 characters more, at most")
}

/// What it is worth if `worker` shows it.
pub(super) fn read(worker: &WorkerId, receipt: &ReceiptId) -> Claim {
    let mut parts = receipt.as_str().split('.');
    let (id, origin, whose) = (parts.next(), parts.next(), parts.next());
    let Some(id) = id.and_then(EntryId::parse) else {
        return Claim::Void;
    };
    let origin = match (origin, parts.next()) {
        // The service before us handed these out.
        (None, _) | (Some("o"), None) => Origin::Own,
        (Some("g"), None) => Origin::Global,
        (Some(_), _) => return Claim::Void,
    };
    match whose {
        None if receipt.as_str().contains('.') => Claim::Void,
        Some(whose) if !is_tag(whose) => Claim::Void,
        Some(whose) if whose != tag(worker) => Claim::Anothers,
        None | Some(_) => Claim::Theirs(origin, id),
    }
}

/// What tells workers apart, of a fixed length.
fn tag(worker: &WorkerId) -> String {
    use std::fmt::Write as _;

    let digest = Sha256::digest(worker.as_str());
    let mut tag = String::with_capacity(16);
    for byte in &digest[..8] {
        write!(tag, "{byte:02x}").expect("a text takes whatever is written to it");
    }
    tag
}

fn is_tag(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn worker(id: &str) -> WorkerId {
        WorkerId::parse(id).expect("is an identifier")
    }

    fn read_text(text: &str) -> Claim {
        let receipt = ReceiptId::parse(text).expect("is an identifier");
        read(&worker("w"), &receipt)
    }

    proptest! {
        #[test]
        fn a_receipt_is_its_workers_and_nobody_elses(ms in any::<u64>(), seq in any::<u64>()) {
            let id = EntryId::parse(&format!("{ms}-{seq}")).expect("is an id");
            for origin in [Origin::Own, Origin::Global] {
                let receipt = make(&worker("w"), origin, id);
                prop_assert_eq!(read(&worker("w"), &receipt), Claim::Theirs(origin, id));
                prop_assert_eq!(read(&worker("v"), &receipt), Claim::Anothers);
            }
        }

        #[test]
        fn no_receipt_is_too_odd(text in "[0-9og.-]{1,64}") {
            let _claim = read_text(&text);
        }
    }

    #[test]
    fn a_bare_id_is_of_the_workers_own_stream_and_anything_else_is_void() {
        let id = EntryId::parse("12345-0").expect("is an id");
        assert_eq!(read_text("12345-0"), Claim::Theirs(Origin::Own, id));

        let whose = tag(&worker("w"));
        for void in [
            "12345".to_owned(),
            "12345-0.o".to_owned(),
            "12345-0.".to_owned(),
            "12345-0.o.w".to_owned(),
            format!("12345-0.x.{whose}"),
            format!("x.o.{whose}"),
            format!("12345-0.o.{whose}.o"),
        ] {
            assert_eq!(read_text(&void), Claim::Void, "{void}");
        }
    }
}
