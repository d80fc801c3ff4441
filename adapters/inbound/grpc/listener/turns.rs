//! Whose turn it is to be opened, where not all can be at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::census::Address;

/// Turns to be opened, so many at once.
///
/// The next is of the address that has fewest of them, and there of who has waited for longest: who
/// comes once is not kept waiting by who comes a thousand times.
pub(in crate::inbound::grpc) struct Turns {
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who has come so far; each is known by its number.
    ever: u64,
    taken: usize,
    shares: HashMap<Address, Share>,
    /// The addresses that wait, the next first.
    next: BTreeSet<(usize, u64, Address)>,
}

/// What an address has of it.
#[derive(Default)]
struct Share {
    taken: usize,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Turns {
    pub(in crate::inbound::grpc) fn new(max: usize) -> Self {
        Self {
            max,
            state: Mutex::default(),
        }
    }

    /// Waits for a turn of `address`, which is over when what this returns is dropped.
    pub(super) async fn take(&self, address: IpAddr) -> Turn<'_> {
        let address = Address::from(address);
        let (tell, told) = oneshot::channel();
        let number = {
            let mut state = self.state();
            let number = state.ever;
            state.ever += 1;
            state.change(address, |share| share.waiting.insert(number, tell));
            state.call(self.max);
            number
        };
        let turn = Turn {
            turns: self,
            address,
            number,
        };
        // Nobody but the turn itself takes it from those that wait.
        let _told = told.await;
        turn
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells those whose turn it is, as far as there are any left.
    fn call(&mut self, max: usize) {
        while self.taken < max
            && let Some(&(_, number, address)) = self.next.first()
        {
            self.taken += 1;
            let waited = self.change(address, |share| {
                share.taken += 1;
                share.waiting.remove(&number)
            });
            // One that waits no more gives its turn back, as it would have later.
            let _gone = waited.map(|waited| waited.send(()));
        }
    }

    /// One that waits no more, or whose turn is over.
    fn leave(&mut self, address: Address, number: u64) {
        let waited = self.change(address, |share| {
            let waited = share.waiting.remove(&number).is_some();
            share.taken -= usize::from(!waited);
            waited
        });
        self.taken -= usize::from(!waited);
    }

    fn change<T>(&mut self, address: Address, change: impl FnOnce(&mut Share) -> T) -> T {
        let share = self.shares.entry(address).or_default();
        if let Some(rank) = share.rank(address) {
            self.next.remove(&rank);
        }
        let changed = change(share);
        if let Some(rank) = share.rank(address) {
            self.next.insert(rank);
        } else if share.taken == 0 {
            self.shares.remove(&address);
        }
        changed
    }
}

impl Share {
    fn rank(&self, address: Address) -> Option<(usize, u64, Address)> {
        let (&oldest, _) = self.waiting.first_key_value()?;
        Some((self.taken, oldest, address))
    }
}

/// A turn, or a place among those that wait for one.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    address: Address,
    number: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.leave(self.address, self.number);
        state.call(self.turns.max);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures::FutureExt as _;

    use super::*;

    type Waiting<'a> = Pin<Box<dyn Future<Output = Turn<'a>> + 'a>>;

    /// So many that wait.
    fn wait(turns: &Turns, last: u8, times: usize) -> Vec<Waiting<'_>> {
        let wait = || {
            let mut waiting: Waiting<'_> = Box::pin(turns.take([10, 0, 0, last].into()));
            assert!(waiting.as_mut().now_or_never().is_none());
            waiting
        };
        std::iter::repeat_with(wait).take(times).collect()
    }

    fn taken(turns: &Turns, last: u8) -> Turn<'_> {
        let taken = turns.take([10, 0, 0, last].into()).now_or_never();
        taken.expect("is its turn at once")
    }

    /// Those whose turn it is now, by where they stand in the line.
    fn told<'a>(waiting: &mut [Waiting<'a>]) -> Vec<(usize, Turn<'a>)> {
        let told = waiting.iter_mut().enumerate();
        told.filter_map(|(place, waiting)| Some((place, waiting.as_mut().now_or_never()?)))
            .collect()
    }

    // T1: a thousand that say a word and no more keep nobody out.
    #[test]
    fn the_next_is_of_the_address_that_has_fewest() {
        let turns = Turns::new(3);
        let mut held: Vec<_> = (0..3).map(|_| taken(&turns, 1)).collect();
        let mut many = wait(&turns, 1, 100);
        let mut few = wait(&turns, 2, 2);
        let mut one = wait(&turns, 3, 1);

        held.pop();
        assert_eq!(told(&mut many).len(), 0);
        let first = told(&mut few);
        assert_eq!(first[0].0, 0);
        held.pop();
        let second = told(&mut one);
        assert_eq!(second.len(), 1);
        // The other of the few came later than the many, which have as many turns as they by now.
        held.pop();
        assert_eq!(told(&mut many)[0].0, 0);
    }

    #[test]
    fn who_waits_no_more_keeps_nobody_waiting() {
        let turns = Turns::new(1);
        let held = taken(&turns, 1);
        let mut waiting = wait(&turns, 2, 3);

        drop(waiting.remove(0));
        drop(held);
        // It is the turn of the next, who leaves without having looked.
        drop(waiting.remove(0));
        let last = told(&mut waiting);
        assert_eq!(last.len(), 1);
        drop(last);
        drop(waiting);
        drop(taken(&turns, 3));
        let state = turns.state();
        assert!(state.shares.is_empty() && state.next.is_empty() && state.taken == 0);
    }

    #[test]
    fn one_address_may_have_all_while_nobody_else_waits() {
        let turns = Turns::new(3);
        let held: Vec<_> = (0..3).map(|_| taken(&turns, 1)).collect();
        let mut waiting = wait(&turns, 1, 2);
        drop(held);
        assert_eq!(told(&mut waiting).len(), 2);
    }
}
