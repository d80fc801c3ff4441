//! How many connections there are, from where, and which have to go when they are too many.

mod counts;
mod strangers;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::counts::Counts;
use self::strangers::Group;
use super::Limits;

/// All connections, those that are being opened and those that are open.
pub(super) struct Census {
    max: usize,
    max_per_address: usize,
    counts: Mutex<Counts>,
}

/// What counts as one address: whoever has one of IPv6 has a whole network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
        let group = Group {
            address,
            counts: !proxy,
        };
        let number = counts.begin(group, crowded.clone());
        Some(Admission {
            census: self.clone(),
            number,
            crowded,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the connections. It is free again when this is dropped.
///
/// Until somebody proves over the connection who it is, the place may be needed for another.
pub(super) struct Admission {
    census: Arc<Census>,
    number: u64,
    crowded: CancellationToken,
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

    /// It is open, unless it is too late for that.
    pub(super) fn opened(&self) -> bool {
        self.census.counts().open(self.number)
    }

    /// By which the place is kept, once somebody proves who it is.
    pub(super) fn standing(&self) -> Standing {
        Standing(Arc::new(Unproven {
            census: self.census.clone(),
            number: self.number,
            proven: AtomicBool::new(false),
        }))
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.census.counts().end(self.number);
    }
}

/// Whether somebody has proven over an open connection who it is.
#[derive(Clone)]
pub(in crate::inbound::grpc) struct Standing(Arc<Unproven>);

struct Unproven {
    census: Arc<Census>,
    number: u64,
    proven: AtomicBool,
}

impl Standing {
    /// Whether somebody has.
    pub(in crate::inbound::grpc) fn is_proven(&self) -> bool {
        self.0.proven.load(Ordering::Relaxed)
    }

    /// Somebody has: from here on the connection keeps its place.
    pub(in crate::inbound::grpc) fn prove(&self) {
        let Unproven {
            census,
            number,
            proven,
        } = &*self.0;
        // Nearly every call comes over a connection that is known already.
        if !self.is_proven() && !proven.swap(true, Ordering::Relaxed) {
            census.counts().acquaint(*number);
        }
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Standing").field(&self.0.proven).finish()
    }
}

#[cfg(test)]
mod tests;
