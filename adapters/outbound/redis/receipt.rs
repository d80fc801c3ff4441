//! Receipts of what is handed out from streams. Each tells whose it is, as ids alone may be the same
//! in two streams.

use gateway_core::domain::id::{ReceiptId, WorkerId};
use sha2::{Digest as _, Sha256};

use super::entry_id::EntryId;

/// Whose a receipt is, by its text alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim<'a> {
    /// The worker's who shows it, or it may be: for this entry, with the mark it was made with; none
    /// on the bare id that gateways of before handed out.
    Theirs(EntryId, Option<&'a str>),
    /// Another worker's.
    Anothers,
    /// Nobody's.
    Void,
}

/// The receipt of `worker` for an entry: `<id>.<whose>`, or `<id>.<mark>.<whose>`.
pub(super) fn make(worker: &WorkerId, id: EntryId, mark: &str) -> ReceiptId {
    let dot = if mark.is_empty() { "" } else { "." };
    let text = format!("{id}.{mark}{dot}{}", tag(worker));
    ReceiptId::parse(&text).expect("two numbers of 20 digits, 18 characters more and a short mark")
}

/// What it is worth if `worker` shows it.
pub(super) fn read<'a>(worker: &WorkerId, receipt: &'a ReceiptId) -> Claim<'a> {
    let (id, rest) = match receipt.as_str().split_once('.') {
        Some((id, rest)) => (id, Some(rest)),
        None => (receipt.as_str(), None),
    };
    let Some(id) = EntryId::parse(id) else {
        return Claim::Void;
    };
    let Some(rest) = rest else {
        return Claim::Theirs(id, None);
    };
    let (mark, whose) = match rest.split_once('.') {
        // No mark is written as none.
        Some(("", _)) => return Claim::Void,
        Some(parts) => parts,
        None => ("", rest),
    };
    if !is_tag(whose) {
        return Claim::Void;
    }
    if whose != tag(worker) {
        return Claim::Anothers;
    }
    Claim::Theirs(id, Some(mark))
}

/// What tells workers apart, of a fixed length.
fn tag(worker: &WorkerId) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(worker.as_str());
    let bytes = digest[..8].iter().copied().map(usize::from);
    let digits = bytes.flat_map(|byte| [DIGITS[byte >> 4], DIGITS[byte & 15]]);
    digits.map(char::from).collect()
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

    fn receipt(text: &str) -> ReceiptId {
        ReceiptId::parse(text).expect("is an identifier")
    }

    proptest! {
        #[test]
        fn a_receipt_is_its_workers_and_nobody_elses(ms in any::<u64>(), seq in any::<u64>()) {
            let id = EntryId::parse(&format!("{ms}-{seq}")).expect("is an id");
            for mark in ["", "o"] {
                let receipt = make(&worker("w"), id, mark);
                prop_assert_eq!(read(&worker("w"), &receipt), Claim::Theirs(id, Some(mark)));
                prop_assert_eq!(read(&worker("v"), &receipt), Claim::Anothers);
            }
        }

        #[test]
        fn no_receipt_is_too_odd(text in "[0-9og.-]{1,64}") {
            let receipt = receipt(&text);
            let _claim = read(&worker("w"), &receipt);
        }
    }

    #[test]
    fn a_bare_id_may_be_anybodys_and_anything_else_is_void() {
        let id = EntryId::parse("12345-0").expect("is an id");
        assert_eq!(
            read(&worker("w"), &receipt("12345-0")),
            Claim::Theirs(id, None)
        );

        let whose = tag(&worker("w"));
        for void in [
            "x".to_owned(),
            "12345".to_owned(),
            "1--1".to_owned(),
            "1-0-0".to_owned(),
            "99999999999999999999-0".to_owned(),
            "12345-0.".to_owned(),
            "12345-0.o".to_owned(),
            "12345-0.o.w".to_owned(),
            format!("x.o.{whose}"),
            format!("12345-0.o.{whose}.o"),
            format!("12345-0..{whose}"),
        ] {
            let receipt = receipt(&void);
            assert_eq!(read(&worker("w"), &receipt), Claim::Void, "{void}");
        }
    }
}
