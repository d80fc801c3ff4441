//! What the tests of the use cases share.

use std::sync::{Arc, Mutex};

use super::Journal;
use crate::domain::audit::{Action, AuditEvent};
use crate::domain::id::{ReceiptId, RunId, TaskId, WorkerId};
use crate::domain::identity::Caller;
use crate::domain::task::{Delivery, Task};
use crate::domain::time::Timestamp;
use crate::ports::{Attempt, MockAttempts, MockAuditLog, MockClock};

pub(super) type Events = Arc<Mutex<Vec<AuditEvent>>>;

pub(super) fn worker(id: &str) -> WorkerId {
    WorkerId::parse(id).expect("is an identifier")
}

pub(super) fn run(id: &str) -> RunId {
    RunId::parse(id).expect("is an identifier")
}

pub(super) fn receipt(id: &str) -> ReceiptId {
    ReceiptId::parse(id).expect("is an identifier")
}

pub(super) fn task(id: &str) -> TaskId {
    TaskId::parse(id).expect("is an identifier")
}

pub(super) fn caller(id: &str) -> Caller {
    Caller {
        worker: worker(id),
        peer: None,
        request: None,
    }
}

pub(super) fn delivery(id: &str, deliveries: u32) -> Delivery {
    Delivery {
        receipt: receipt("receipt-1"),
        task: Task::new(task(id)),
        deliveries,
        returns: 0,
        reason: None,
    }
}

/// A journal that keeps what is written.
pub(super) fn journal() -> (Journal, Events) {
    let events = Events::default();
    let mut log = MockAuditLog::new();
    let kept = events.clone();
    log.expect_record()
        .returning(move |event| kept.lock().expect("is not poisoned").push(event));
    let mut clock = MockClock::new();
    clock.expect_now().returning(|| Timestamp::UNIX_EPOCH);
    let journal = Journal {
        log: Arc::new(log),
        clock: Arc::new(clock),
    };
    (journal, events)
}

/// A journal that nobody reads.
pub(super) fn silent() -> Journal {
    journal().0
}

/// What was written down, without who and when.
pub(super) fn audited(events: &Events) -> Vec<Action> {
    let events = events.lock().expect("is not poisoned");
    events.iter().map(|event| event.action.clone()).collect()
}

/// Attempts of which any number may fail.
pub(super) fn patient() -> MockAttempts {
    let mut attempts = MockAttempts::new();
    attempts
        .expect_begin()
        .returning(|_| Ok(Attempt::new(|_| ())));
    attempts.expect_fail().returning(|_| Ok(()));
    attempts.expect_say_nothing().returning(|_| Ok(()));
    attempts
}
