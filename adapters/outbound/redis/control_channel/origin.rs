use gateway_core::domain::id::{ReceiptId, WorkerId};
use gateway_core::ports::ControlError;

use super::super::entry_id::EntryId;
use super::super::receipt::{self, Claim};

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

    /// What a receipt says of it.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Own => "o",
            Self::Global => "g",
        }
    }
}

/// The entry that `receipt` stands for, and where it came from; none if it never was a receipt.
pub(super) fn of(
    worker: &WorkerId,
    receipt: &ReceiptId,
) -> Result<Option<(Origin, EntryId)>, ControlError> {
    match receipt::read(worker, receipt) {
        // The service before us handed bare ids out.
        Claim::Theirs(id, None | Some("o")) => Ok(Some((Origin::Own, id))),
        Claim::Theirs(id, Some("g")) => Ok(Some((Origin::Global, id))),
        Claim::Theirs(..) | Claim::Void => Ok(None),
        Claim::Anothers => Err(ControlError::ReceiptNotTheirs(receipt.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_tells_where_its_entry_came_from() {
        let worker = WorkerId::parse("w").expect("is an identifier");
        let id = EntryId::parse("12345-0").expect("is an id");
        let read = |receipt: &ReceiptId| of(&worker, receipt).expect("is the worker's");

        for origin in [Origin::Own, Origin::Global] {
            let receipt = receipt::make(&worker, id, origin.mark());
            assert_eq!(read(&receipt), Some((origin, id)));
        }
        let bare = ReceiptId::parse("12345-0").expect("is an identifier");
        assert_eq!(read(&bare), Some((Origin::Own, id)));
        // A task's.
        assert_eq!(read(&receipt::make(&worker, id, "")), None);
    }
}
