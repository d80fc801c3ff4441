use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use super::Address;

/// Those that are told apart from others when somebody has to go.
///
/// What a proxy sends on is its own until it is known for whom it is, and nobody else's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Group {
    /// Where they are from.
    pub(super) address: Address,
    /// Whether they are among those of the address.
    pub(super) counts: bool,
}

/// Connections over which nobody has proven who it is; the lower its number, the older is one.
#[derive(Default)]
pub(super) struct Strangers {
    of: HashMap<Group, BTreeSet<u64>>,
    /// The groups, the largest last; of those as large as each other, the one with the oldest.
    ranks: BTreeSet<(usize, Reverse<Option<u64>>, Group)>,
}

impl Strangers {
    pub(super) fn insert(&mut self, group: Group, number: u64) {
        let numbers = self.of.entry(group).or_default();
        self.ranks.remove(&rank(group, numbers));
        numbers.insert(number);
        self.ranks.insert(rank(group, numbers));
    }

    pub(super) fn remove(&mut self, group: Group, number: u64) {
        if let Entry::Occupied(mut numbers) = self.of.entry(group) {
            self.ranks.remove(&rank(group, numbers.get()));
            numbers.get_mut().remove(&number);
            if numbers.get().is_empty() {
                numbers.remove();
            } else {
                self.ranks.insert(rank(group, numbers.get()));
            }
        }
    }

    /// The oldest of a group.
    pub(super) fn oldest_of(&self, group: Group) -> Option<u64> {
        self.of.get(&group).and_then(BTreeSet::first).copied()
    }

    /// The oldest of the largest group.
    pub(super) fn oldest_of_most(&self) -> Option<u64> {
        self.ranks
            .last()
            .and_then(|(_, Reverse(oldest), _)| *oldest)
    }
}

fn rank(group: Group, numbers: &BTreeSet<u64>) -> (usize, Reverse<Option<u64>>, Group) {
    (numbers.len(), Reverse(numbers.first().copied()), group)
}
