//! How many connections there are, from where, and which have to go when they are too many.

mod counts;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::counts::Counts;
use super::Limits;

/// All connections, those that are being opened and those that are open.
pub(super) struct Census {
    max: usize,
    max_per_address: usize,
    counts: Mutex<Counts>,
}

/// What counts as one address: whoever has one of IPv6 has a whole network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address(IpAddr);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                Ipv6Addr::from_bits(network).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl Census {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            max: limits.max_connections,
            max_per_address: limits.max_connections_per_address,
            counts: Mutex::default(),
        }
    }

    /// A place for a connection that is being opened, if there is one or one can be made. A proxy
    /// may have any number of them, until it is known [for whom](Admission::count_for) each is.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr, proxy: bool) -> Option<Admission> {
        let address = Address::from(address);
        let mut counts = self.counts();
        if !proxy && !counts.has_room_for(address, self.max_per_address) {
            return None;
        }
        if counts.all() >= self.max {
            counts.make_room();
        }
        if counts.all() >= self.max {
            return None;
        }
        let crowded = CancellationToken::new();
        let number = counts.begin(address, !proxy, crowded.clone());
        Some(Admission {
            census: self.clone(),
            number,
            crowded,
            open: None,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the connections. It is free again when this is dropped.
pub(super) struct Admission {
    census: Arc<Census>,
    number: u64,
    crowded: CancellationToken,
    /// Where it is from, once it is open.
    open: Option<Address>,
}

impl Admission {
    /// Cancelled when the place is needed for another.
    pub(super) fn crowded(&self) -> CancellationToken {
        self.crowded.clone()
    }

    /// It is its turn, from now on.
    pub(super) fn turn(&self) {
        self.census.counts().turn(self.number);
    }

    /// Gives up the one whose turn it has been for longest, if that is so long.
    pub(super) fn hurry(&self, longest: Duration) {
        self.census.counts().hurry(longest);
    }

    /// Makes it count for `address` instead; not if that has too many already.
    pub(super) fn count_for(&self, address: IpAddr) -> bool {
        let address = Address::from(address);
        let mut counts = self.census.counts();
        counts.has_room_for(address, self.census.max_per_address)
            && counts.move_to(self.number, address)
    }

    /// From here on it is open, and nobody else can have the place; not if it is too late.
    pub(super) fn opened(&mut self) -> bool {
        self.open = self.census.counts().open(self.number);
        self.open.is_some()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut counts = self.census.counts();
        match self.open {
            Some(address) => counts.end(address),
            None => _ = counts.give_up(self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(max: usize, max_per_address: usize) -> Arc<Census> {
        Arc::new(Census::new(&Limits {
            max_connections: max,
            max_connections_per_address: max_per_address,
            ..Limits::default()
        }))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("is an address")
    }

    #[track_caller]
    fn admitted(census: &Arc<Census>, text: &str) -> Admission {
        census.admit(address(text), false).expect("is admitted")
    }

    #[track_caller]
    fn opened(census: &Arc<Census>, text: &str) -> Admission {
        let mut admission = admitted(census, text);
        assert!(admission.opened());
        admission
    }

    #[test]
    fn open_ones_keep_their_place_until_they_are_dropped() {
        let census = census(2, 2);
        let one = opened(&census, "10.0.0.1");
        let _two = opened(&census, "10.0.0.2");

        assert!(census.admit(address("10.0.0.3"), false).is_none());
        drop(one);
        opened(&census, "10.0.0.3");
    }

    // T1: silence does not keep anybody out.
    #[test]
    fn the_oldest_of_whoever_opens_most_makes_room() {
        let census = census(3, 3);
        let patient = admitted(&census, "10.0.0.1");
        let first = admitted(&census, "10.0.0.2");
        let second = admitted(&census, "10.0.0.2");

        let mut newcomer = admitted(&census, "10.0.0.3");
        assert!(first.crowded().is_cancelled());
        assert!(!second.crowded().is_cancelled() && !patient.crowded().is_cancelled());
        assert!(newcomer.opened());
        // Both have one now, so the older goes; who is open stays.
        let _third = admitted(&census, "10.0.0.4");
        assert!(patient.crowded().is_cancelled() && !second.crowded().is_cancelled());
        let _fourth = admitted(&census, "10.0.0.5");
        assert!(second.crowded().is_cancelled() && !newcomer.crowded().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_long_over_its_turn_loses_it_to_those_that_wait() {
        const LONG: Duration = Duration::from_secs(1);
        let census = census(9, 9);
        let waiting = admitted(&census, "10.0.0.1");
        let slow = admitted(&census, "10.0.0.2");
        slow.turn();

        waiting.hurry(LONG);
        assert!(!slow.crowded().is_cancelled());
        tokio::time::advance(LONG).await;
        let quick = admitted(&census, "10.0.0.3");
        quick.turn();
        for _ in 0..2 {
            waiting.hurry(LONG);
        }
        assert!(slow.crowded().is_cancelled());
        assert!(!quick.crowded().is_cancelled() && !waiting.crowded().is_cancelled());
    }

    #[test]
    fn one_that_was_given_up_does_not_open_and_is_counted_once() {
        let census = census(1, 1);
        let mut early = admitted(&census, "10.0.0.1");
        let mut late = admitted(&census, "10.0.0.1");

        assert!(!early.opened());
        drop(early);
        assert!(late.opened());
        assert!(census.admit(address("10.0.0.2"), false).is_none());
        drop(late);
        opened(&census, "10.0.0.2");
    }

    #[test]
    fn an_address_has_a_share_and_a_network_of_v6_is_one() {
        let census = census(100, 2);
        let _held = [
            opened(&census, "2001:db8::1"),
            opened(&census, "2001:db8::2"),
            opened(&census, "10.0.0.1"),
            opened(&census, "::ffff:10.0.0.1"),
        ];

        for full in ["2001:db8::3", "10.0.0.1"] {
            assert!(census.admit(address(full), false).is_none(), "{full}");
        }
        opened(&census, "2001:db8:0:1::1");
    }

    #[test]
    fn behind_a_proxy_those_behind_it_count() {
        let census = census(100, 1);
        let begin = || {
            census
                .admit(address("10.0.0.1"), true)
                .expect("is the proxy")
        };

        let mut one = begin();
        assert!(one.count_for(address("203.0.113.1")) && one.opened());
        let mut other = begin();
        assert!(other.count_for(address("203.0.113.2")) && other.opened());
        assert!(!begin().count_for(address("203.0.113.1")));
        drop(one);
        assert!(begin().count_for(address("203.0.113.1")));
    }
}
