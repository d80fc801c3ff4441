use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use metrics::gauge;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Address;
use super::strangers::{Group, Strangers};
use crate::metrics::CONNECTIONS;

/// The numbers behind the census.
#[derive(Default)]
pub(super) struct Counts {
    /// Connections so far; each is known by its number.
    ever: u64,
    places: HashMap<u64, Place>,
    by_address: HashMap<Address, usize>,
    strangers: Strangers,
    /// Those whose turn it is, the earliest first.
    turns: BTreeSet<(Instant, u64)>,
}

/// The place of a connection.
struct Place {
    group: Group,
    stage: Stage,
    /// Since when it is its turn to be opened, if it is.
    turn: Option<Instant>,
    crowded: CancellationToken,
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is being opened.
    Opening,
    /// It is open, and nobody has proven over it who it is.
    Open,
    /// Somebody has.
    Known,
}

impl Stage {
    fn label(self) -> &'static str {
        match self {
            Self::Opening => "handshaking",
            Self::Open | Self::Known => "open",
        }
    }
}

impl Counts {
    pub(super) fn all(&self) -> usize {
        self.places.len()
    }

    /// One more is being opened; its number.
    pub(super) fn begin(&mut self, group: Group, crowded: CancellationToken) -> u64 {
        let number = self.ever;
        self.ever += 1;
        let place = Place {
            group,
            stage: Stage::Opening,
            turn: None,
            crowded,
        };
        self.enter(number, place);
        number
    }

    /// Makes one that is being opened count for `address`, if it still has its place.
    pub(super) fn move_to(&mut self, number: u64, address: Address) -> bool {
        let group = Group {
            address,
            counts: true,
        };
        let place = self.leave(number);
        place.is_some_and(|place| self.enter(number, Place { group, ..place }))
    }

    /// It is the turn of one that is being opened.
    pub(super) fn turn(&mut self, number: u64) {
        if let Some(place) = self.places.get_mut(&number) {
            let now = Instant::now();
            place.turn = Some(now);
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

    /// One that was being opened is open, if it still has its place.
    pub(super) fn open(&mut self, number: u64) -> bool {
        self.leave(number).is_some_and(|place| {
            let group = Group {
                counts: true,
                ..place.group
            };
            let opened = Place {
                group,
                stage: Stage::Open,
                turn: None,
                ..place
            };
            self.enter(number, opened)
        })
    }

    /// Somebody has proven over an open one who it is, if it still has its place.
    pub(super) fn acquaint(&mut self, number: u64) {
        if let Some(place) = self.leave(number) {
            let stage = Stage::Known;
            self.enter(number, Place { stage, ..place });
        }
    }

    /// One has ended; nothing changes if it had lost its place.
    pub(super) fn end(&mut self, number: u64) {
        _ = self.leave(number);
    }

    /// Takes the place of one that nobody vouches for.
    fn give_up(&mut self, number: u64) {
        if let Some(place) = self.leave(number) {
            place.crowded.cancel();
        }
    }

    /// Whether `address` may have one more. The oldest of its strangers makes room.
    pub(super) fn has_room_for(&mut self, address: Address, max: usize) -> bool {
        let of_it = self.by_address.get(&address);
        if of_it.is_none_or(|&of_it| of_it < max) {
            return true;
        }
        // One that does not count yet would make no room, and is somebody else's.
        let oldest = self.strangers.oldest_of(Group {
            address,
            counts: true,
        });
        if let Some(oldest) = oldest {
            self.give_up(oldest);
        }
        oldest.is_some()
    }

    /// Gives up the oldest stranger of whoever has most: who has one is safe from who has many.
    pub(super) fn make_room(&mut self) {
        if let Some(oldest) = self.strangers.oldest_of_most() {
            self.give_up(oldest);
        }
    }

    fn enter(&mut self, number: u64, place: Place) -> bool {
        let Place { group, stage, .. } = place;
        if group.counts {
            *self.by_address.entry(group.address).or_default() += 1;
        }
        if stage != Stage::Known {
            self.strangers.insert(group, number);
        }
        if let Some(since) = place.turn {
            self.turns.insert((since, number));
        }
        gauge!(CONNECTIONS, "state" => stage.label()).increment(1.0);
        self.places.insert(number, place).is_none()
    }

    fn leave(&mut self, number: u64) -> Option<Place> {
        let place = self.places.remove(&number)?;
        let Place { group, stage, .. } = place;
        if group.counts
            && let Entry::Occupied(mut of_it) = self.by_address.entry(group.address)
        {
            *of_it.get_mut() -= 1;
            if *of_it.get() == 0 {
                of_it.remove();
            }
        }
        if stage != Stage::Known {
            self.strangers.remove(group, number);
        }
        if let Some(since) = place.turn {
            self.turns.remove(&(since, number));
        }
        gauge!(CONNECTIONS, "state" => stage.label()).decrement(1.0);
        Some(place)
    }
}
