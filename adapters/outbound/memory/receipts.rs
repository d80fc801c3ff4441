use std::collections::HashMap;

use gateway_core::domain::id::{ReceiptId, WorkerId};

/// Who holds what, by the receipts that are open.
#[derive(Default)]
pub(super) struct Receipts {
    open: HashMap<ReceiptId, Holder>,
}

struct Holder {
    worker: WorkerId,
    number: u64,
}

/// The receipt is another worker's.
pub(super) struct NotTheirs;

impl Receipts {
    /// From now on `worker` holds the entry of this number.
    pub(super) fn open(&mut self, receipt: ReceiptId, worker: WorkerId, number: u64) {
        self.open.insert(receipt, Holder { worker, number });
    }

    /// The number of the entry that `worker` holds by `receipt`.
    pub(super) fn number(&self, worker: &WorkerId, receipt: &ReceiptId) -> Option<u64> {
        let holder = self.open.get(receipt)?;
        (holder.worker == *worker).then_some(holder.number)
    }

    /// Closes `receipt`, and says what was held by it; nothing, if it was not open.
    pub(super) fn close(
        &mut self,
        worker: &WorkerId,
        receipt: &ReceiptId,
    ) -> Result<Option<u64>, NotTheirs> {
        match self.open.get(receipt) {
            Some(holder) if holder.worker != *worker => Err(NotTheirs),
            _ => Ok(self.forget(receipt)),
        }
    }

    /// Closes `receipt`, whosever it is.
    pub(super) fn forget(&mut self, receipt: &ReceiptId) -> Option<u64> {
        self.open.remove(receipt).map(|holder| holder.number)
    }

    /// How many `worker` has open.
    pub(super) fn count(&self, worker: &WorkerId) -> usize {
        let holders = self.open.values();
        holders.filter(|holder| holder.worker == *worker).count()
    }
}

/// A receipt for the entry of this number, which nobody guesses.
pub(super) fn make(number: u64) -> ReceiptId {
    let text = format!("{number}-{:016x}", rand::random::<u64>());
    ReceiptId::parse(&text).expect("digits and a hyphen, at most 37 characters")
}
