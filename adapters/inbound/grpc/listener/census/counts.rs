use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use metrics::gauge;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Address;
use crate::metrics::CONNECTIONS;

/// The numbers behind the census.
#[derive(Default)]
pub(super) struct Counts {
    /// Connections so far; each is known by its number.
    ever: u64,
    all: usize,
    by_address: HashMap<Address, usize>,
    opening: HashMap<u64, Opening>,
    /// The same by where they are from; the lower the number, the older.
    openings_of: HashMap<Address, BTreeSet<u64>>,
    /// Those whose turn it is, the earliest first.
    turns: BTreeSet<(Instant, u64)>,
}

/// A connection that is being opened.
struct Opening {
    address: Address,
    /// Whether it is among those of its address.
    counts: bool,
    /// Since when it is its turn, if it is.
    turn: Option<Instant>,
    crowded: CancellationToken,
}

impl Counts {
    pub(super) fn all(&self) -> usize {
        self.all
    }

    /// One more is being opened; its number.
    pub(super) fn begin(
        &mut self,
        address: Address,
        counts: bool,
        crowded: CancellationToken,
    ) -> u64 {
        let number = self.ever;
        self.ever += 1;
        self.all += 1;
        gauge!(CONNECTIONS, "state" => "handshaking").increment(1.0);
        let opening = Opening {
            address,
            counts,
            turn: None,
            crowded,
        };
        self.enter(number, opening);
        number
    }

    /// Makes one that is being opened count for `address`, if it still is.
    pub(super) fn move_to(&mut self, number: u64, address: Address) -> bool {
        let Some(opening) = self.leave(number) else {
            return false;
        };
        let opening = Opening {
            address,
            counts: true,
            ..opening
        };
        self.enter(number, opening);
        true
    }

    /// It is the turn of one that is being opened.
    pub(super) fn turn(&mut self, number: u64) {
        if let Some(opening) = self.opening.get_mut(&number) {
            let now = Instant::now();
            opening.turn = Some(now);
            self.turns.insert((now, number));
        }
    }

    /// Gives up the one whose turn it has been for longest, if that is so long.
    pub(super) fn hurry(&mut self, longest: Duration) {
        if let Some(&(since, number)) = self.turns.first()
            && since.elapsed() >= longest
        {
            self.give_up(number);
        }
    }

    /// One that was being opened is open; where it is from, if it was not too late.
    pub(super) fn open(&mut self, number: u64) -> Option<Address> {
        let Opening { address, .. } = self.leave(number)?;
        *self.by_address.entry(address).or_default() += 1;
        gauge!(CONNECTIONS, "state" => "handshaking").decrement(1.0);
        gauge!(CONNECTIONS, "state" => "open").increment(1.0);
        Some(address)
    }

    /// One that was open has ended.
    pub(super) fn end(&mut self, address: Address) {
        self.all -= 1;
        self.uncount(address);
        gauge!(CONNECTIONS, "state" => "open").decrement(1.0);
    }

    /// One that was being opened is no more; not if it was not.
    pub(super) fn give_up(&mut self, number: u64) -> bool {
        let Some(opening) = self.leave(number) else {
            return false;
        };
        self.all -= 1;
        gauge!(CONNECTIONS, "state" => "handshaking").decrement(1.0);
        opening.crowded.cancel();
        true
    }

    /// Whether `address` may have one more. The oldest that it has only begun makes room.
    pub(super) fn has_room_for(&mut self, address: Address, max: usize) -> bool {
        if self
            .by_address
            .get(&address)
            .is_none_or(|&of_it| of_it < max)
        {
            return true;
        }
        let oldest = self.openings_of.get(&address).and_then(BTreeSet::first);
        oldest.copied().is_some_and(|oldest| self.give_up(oldest))
    }

    /// Gives up the oldest of those that are being opened by whoever opens most: who opens one is
    /// safe from who opens many.
    pub(super) fn make_room(&mut self) {
        let busiest = self.openings_of.values();
        let busiest = busiest.max_by_key(|numbers| (numbers.len(), Reverse(numbers.first())));
        if let Some(&oldest) = busiest.and_then(BTreeSet::first) {
            self.give_up(oldest);
        }
    }

    fn enter(&mut self, number: u64, opening: Opening) {
        if opening.counts {
            *self.by_address.entry(opening.address).or_default() += 1;
        }
        let openings = self.openings_of.entry(opening.address).or_default();
        openings.insert(number);
        if let Some(since) = opening.turn {
            self.turns.insert((since, number));
        }
        self.opening.insert(number, opening);
    }

    fn leave(&mut self, number: u64) -> Option<Opening> {
        let opening = self.opening.remove(&number)?;
        if let Entry::Occupied(mut openings) = self.openings_of.entry(opening.address) {
            openings.get_mut().remove(&number);
            if openings.get().is_empty() {
                openings.remove();
            }
        }
        if opening.counts {
            self.uncount(opening.address);
        }
        if let Some(since) = opening.turn {
            self.turns.remove(&(since, number));
        }
        Some(opening)
    }

    fn uncount(&mut self, address: Address) {
        if let Entry::Occupied(mut of_it) = self.by_address.entry(address) {
            *of_it.get_mut() -= 1;
            if *of_it.get() == 0 {
                of_it.remove();
            }
        }
    }
}
