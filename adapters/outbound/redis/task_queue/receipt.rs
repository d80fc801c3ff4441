use gateway_core::domain::id::{ReceiptId, WorkerId};
use sha2::{Digest as _, Sha256};

/// What a receipt stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Receipt {
    /// The entry of this id in the worker's own stream.
    Entry(String),
    /// An entry in another worker's stream.
    NotTheirs,
    /// Nothing that was ever handed out.
    Unknown,
}

/// The receipt of an entry that is handed to `worker`. It tells whose it is, as ids alone may be
/// the same in two streams.
pub(super) fn make(entry: &str, worker: &WorkerId) -> Option<ReceiptId> {
    ReceiptId::parse(&format!("{entry}.{}", tag(worker))).ok()
}

/// What `receipt`, which `worker` holds, stands for. One that does not tell whose it is was handed
/// out by a gateway of before, and is taken for the worker's own.
pub(super) fn read(receipt: &ReceiptId, worker: &WorkerId) -> Receipt {
    let (entry, of) = match receipt.as_str().split_once('.') {
        Some((entry, of)) => (entry, Some(of)),
        None => (receipt.as_str(), None),
    };
    if !is_entry(entry) {
        return Receipt::Unknown;
    }
    match of {
        Some(of) if of != tag(worker) => Receipt::NotTheirs,
        _ => Receipt::Entry(entry.to_owned()),
    }
}

/// Whether `id` names an entry of a stream, and one only.
pub(in super::super) fn is_entry(id: &str) -> bool {
    let is_number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok();
    let parts = id.split_once('-');
    parts.is_some_and(|(time, number)| is_number(time) && is_number(number))
}

fn tag(worker: &WorkerId) -> String {
    let digest = Sha256::digest(worker.as_str());
    let first = digest.iter().take(8);
    first.fold(String::new(), |tag, byte| tag + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn worker(id: &str) -> WorkerId {
        WorkerId::parse(id).expect("is an identifier")
    }

    fn receipt(id: &str) -> ReceiptId {
        ReceiptId::parse(id).expect("is an identifier")
    }

    #[test]
    fn a_receipt_is_its_workers_own() {
        let (a, b) = (worker("a"), worker("b"));
        let longest = format!("{0}-{0}", u64::MAX);
        let made = make(&longest, &a).expect("is an identifier");

        assert_eq!(read(&made, &a), Receipt::Entry(longest));
        assert_eq!(read(&made, &b), Receipt::NotTheirs);
    }

    #[test]
    fn a_receipt_of_before_is_the_id_of_an_entry() {
        let read = read(&receipt("12345-0"), &worker("a"));
        assert_eq!(read, Receipt::Entry("12345-0".into()));
    }

    #[test]
    fn what_is_no_id_is_unknown() {
        for text in [
            "x",
            "1",
            "1-",
            "-1",
            "1-x",
            "1--1",
            "99999999999999999999-0",
            "1-0-0",
        ] {
            assert_eq!(
                read(&receipt(text), &worker("a")),
                Receipt::Unknown,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_receipt_reaches_beyond_one_entry(text in "[A-Za-z0-9._-]{1,64}") {
            if let Receipt::Entry(entry) = read(&receipt(&text), &worker("a")) {
                prop_assert!(is_entry(&entry));
            }
        }
    }
}
