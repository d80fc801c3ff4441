//! How many connections there are, from where, and which have to go when they are too many.

mod counts;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use self::counts::Counts;
use super::Limits;

/// All connections, those that are being opened and those that are open.
pub(super) struct Census {
    max: usize,
    max_per_address: usize,
    max_opening: usize,
    counts: Mutex<Counts>,
}

/// What counts as one address: whoever has one of IPv6 has a whole network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Address(IpAddr);

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
            max_opening: limits.max_handshakes,
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
        if counts.all() >= self.max || counts.opening() >= self.max_opening {
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

    /// Gives up a connection that is being opened, if there is any.
    pub(super) fn make_room(&self) {
        self.counts().make_room();
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

    fn census(max: usize, max_per_address: usize, max_opening: usize) -> Arc<Census> {
        Arc::new(Census::new(&Limits {
            max_connections: max,
            max_connections_per_address: max_per_address,
            max_handshakes: max_opening,
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
        let census = census(2, 2, 2);
        let one = opened(&census, "10.0.0.1");
        let _two = opened(&census, "10.0.0.2");

        assert!(census.admit(address("10.0.0.3"), false).is_none());
        drop(one);
        opened(&census, "10.0.0.3");
    }

    // T1: silence does not keep anybody out.
    #[test]
    fn the_oldest_of_whoever_opens_most_makes_room() {
        let census = census(100, 100, 3);
        let patient = admitted(&census, "10.0.0.1");
        let first = admitted(&census, "10.0.0.2");
        let second = admitted(&census, "10.0.0.2");

        let mut newcomer = admitted(&census, "10.0.0.3");
        assert!(first.crowded().is_cancelled());
        assert!(!second.crowded().is_cancelled() && !patient.crowded().is_cancelled());
        assert!(newcomer.opened());
        // All have one now, so the oldest of all goes.
        let _third = admitted(&census, "10.0.0.4");
        let _fourth = admitted(&census, "10.0.0.5");
        assert!(patient.crowded().is_cancelled() && !second.crowded().is_cancelled());
    }

    #[test]
    fn one_that_was_given_up_does_not_open_and_is_counted_once() {
        let census = census(1, 1, 1);
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
        let census = census(100, 2, 100);
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
        let census = census(100, 1, 100);
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
