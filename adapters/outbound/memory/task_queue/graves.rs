use std::collections::BTreeMap;

use gateway_core::domain::id::{LetterId, WorkerId};
use gateway_core::domain::task::{Content, DeadLetter, Task};
use gateway_core::domain::time::Timestamp;

/// How many are kept.
const MAX: usize = 10_000;

/// What was given up, by its number; the oldest makes room.
#[derive(Default)]
pub(in super::super) struct Graves(BTreeMap<u64, Grave>);

/// A task that was given up.
#[derive(Clone)]
pub(super) struct Grave {
    pub(super) task: Task,
    pub(super) worker: WorkerId,
    pub(super) reason: String,
    pub(super) deliveries: u32,
    pub(super) at: Timestamp,
}

impl Graves {
    pub(super) fn bury(&mut self, number: u64, grave: Grave) {
        if self.0.len() >= MAX {
            self.0.pop_first();
        }
        self.0.insert(number, grave);
    }

    pub(super) fn find(&self, id: &LetterId) -> Option<&Grave> {
        self.0.get(&number(id)?)
    }

    /// The letters, the newest first.
    pub(in super::super) fn letters(&self) -> impl Iterator<Item = DeadLetter> {
        self.0
            .iter()
            .rev()
            .map(|(number, grave)| letter(*number, grave))
    }

    pub(in super::super) fn letter(&self, id: &LetterId) -> Option<DeadLetter> {
        let grave = self.find(id)?;
        Some(letter(number(id)?, grave))
    }

    pub(in super::super) fn discard(&mut self, id: &LetterId) -> bool {
        number(id).is_some_and(|number| self.0.remove(&number).is_some())
    }
}

/// The number within a letter's name, written the one way in which it was made.
fn number(id: &LetterId) -> Option<u64> {
    let number = id.as_str().strip_suffix("-0")?.parse().ok()?;
    (name(number) == *id).then_some(number)
}

fn name(number: u64) -> LetterId {
    LetterId::parse(&format!("{number}-0")).expect("digits and a hyphen are an identifier")
}

fn letter(number: u64, grave: &Grave) -> DeadLetter {
    DeadLetter {
        id: name(number),
        content: Content::Task(Box::new(grave.task.clone())),
        worker: grave.worker.clone(),
        reason: grave.reason.clone(),
        deliveries: grave.deliveries,
        at: grave.at,
    }
}
