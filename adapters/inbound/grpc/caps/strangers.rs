//! Places for calls of whom nobody knows yet who makes them.
//!
//! They take none from those who are known. There are few, and of one address even fewer; whoever
//! finds none waits for one, in turn. So many that come at once are let in one after the other, and
//! one who sends calls without end waits for itself.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_core::ports::LimitError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::crowded;

/// How many there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// In all, and of one address.
    pub(super) all: usize,
    pub(super) each: usize,
    /// Those that wait, in all, and of one address.
    pub(super) waiting: usize,
    pub(super) each_waiting: usize,
}

impl Bounds {
    /// What is left to strangers where there may be so many `calls`.
    pub(super) fn beside(calls: usize) -> Self {
        let all = (calls / 8).max(1);
        Self {
            all,
            each: all.min(32),
            waiting: calls.saturating_mul(4),
            each_waiting: (calls / 4).max(1),
        }
    }
}

/// The calls of those who are not known.
pub(super) struct Strangers {
    bounds: Bounds,
    places: Arc<Semaphore>,
    here: Mutex<Here>,
}

/// Those that have a place, and those that wait.
#[derive(Default)]
struct Here {
    calls: usize,
    /// The addresses that they come from, and no others.
    addresses: HashMap<IpAddr, Address>,
}

struct Address {
    calls: usize,
    places: Arc<Semaphore>,
}

impl Strangers {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            places: Arc::new(Semaphore::new(bounds.all)),
            here: Mutex::default(),
        })
    }

    /// A place for a call from `peer`, which waits for one if need be.
    pub(super) async fn enter(
        self: &Arc<Self>,
        peer: Option<IpAddr>,
    ) -> Result<Stranger, LimitError> {
        let (counted, here) = self.count(network(peer))?;
        // First among those of its address: the others wait for no more than these.
        let here = here.acquire_owned().await.ok();
        let place = self.places.clone().acquire_owned().await.ok();
        Ok(Stranger {
            _place: place,
            _here: here,
            _counted: counted,
        })
    }

    fn count(self: &Arc<Self>, from: IpAddr) -> Result<(Counted, Arc<Semaphore>), LimitError> {
        let bounds = self.bounds;
        let mut here = self.here();
        let of_address = here.addresses.get(&from).map_or(0, |address| address.calls);
        if here.calls >= bounds.all + bounds.waiting
            || of_address >= bounds.each + bounds.each_waiting
        {
            return Err(crowded(
                "strangers",
                "too many calls whose callers are not known yet",
            ));
        }
        here.calls += 1;
        let address = here.addresses.entry(from).or_insert_with(|| Address {
            calls: 0,
            places: Arc::new(Semaphore::new(bounds.each)),
        });
        address.calls += 1;
        let places = address.places.clone();
        drop(here);
        let strangers = self.clone();
        Ok((Counted { strangers, from }, places))
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stranger's place, for as long as it is held. Nobody closes what it is taken from, so that there
/// is always one.
pub(in super::super) struct Stranger {
    _place: Option<OwnedSemaphorePermit>,
    _here: Option<OwnedSemaphorePermit>,
    _counted: Counted,
}

/// One that is there, whether it has a place or waits.
struct Counted {
    strangers: Arc<Strangers>,
    from: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut here = self.strangers.here();
        here.calls -= 1;
        if let Some(address) = here.addresses.get_mut(&self.from) {
            address.calls -= 1;
            if address.calls == 0 {
                here.addresses.remove(&self.from);
            }
        }
        let addresses = &mut here.addresses;
        // What many needed at once is not kept for ever.
        if addresses.capacity() > 64 && addresses.len() < addresses.capacity() / 8 {
            addresses.shrink_to_fit();
        }
    }
}

/// What counts as one address: one of IPv4, or the first 64 bits of one of IPv6. Callers of whom
/// none is known share one.
fn network(peer: Option<IpAddr>) -> IpAddr {
    match peer.map(|peer| peer.to_canonical()) {
        None => Ipv4Addr::UNSPECIFIED.into(),
        Some(IpAddr::V4(address)) => address.into(),
        Some(IpAddr::V6(address)) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn strangers() -> Arc<Strangers> {
        Strangers::new(Bounds {
            all: 3,
            each: 2,
            waiting: 4,
            each_waiting: 1,
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("is an address")
    }

    /// One that finds a place at once.
    fn at_once(strangers: &Arc<Strangers>, from: &str) -> Option<Stranger> {
        strangers.enter(Some(address(from))).now_or_never()?.ok()
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_leaves_the_rest_to_others() {
        let strangers = strangers();
        let first = at_once(&strangers, "192.0.2.1").expect("has a place");
        let _second = at_once(&strangers, "192.0.2.1").expect("has a place");

        let mut third = Box::pin(strangers.enter(Some(address("192.0.2.1"))));
        assert!(third.as_mut().now_or_never().is_none(), "waits");
        let refused = strangers.enter(Some(address("192.0.2.1"))).now_or_never();
        assert!(matches!(refused, Some(Err(LimitError::Crowded { .. }))));
        let _other = at_once(&strangers, "192.0.2.2").expect("has a place");

        drop(first);
        let third = third.await;
        third.expect("has a place now");
    }

    #[tokio::test]
    async fn there_are_only_so_many_from_wherever_they_are() {
        let strangers = strangers();
        let inside = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
        let inside = inside.map(|from| at_once(&strangers, from).expect("has a place"));
        let mut waiting: Vec<_> = (4..8)
            .map(|last| {
                let mut call = Box::pin(strangers.enter(Some(address(&format!("192.0.2.{last}")))));
                assert!(call.as_mut().now_or_never().is_none(), "waits");
                call
            })
            .collect();

        let refused = strangers.enter(Some(address("192.0.2.9"))).now_or_never();
        assert!(matches!(refused, Some(Err(LimitError::Crowded { .. }))));
        drop(inside);
        for call in &mut waiting[..3] {
            call.await.expect("has a place now");
        }
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_address() {
        let strangers = strangers();
        let _one = at_once(&strangers, "2001:db8::1").expect("has a place");
        let _two = at_once(&strangers, "2001:db8::2").expect("has a place");

        assert!(at_once(&strangers, "2001:db8::ffff:3").is_none());
        assert!(at_once(&strangers, "2001:db8:0:1::3").is_some());
        let mapped = [network(Some(address("::ffff:192.0.2.1"))), network(None)];
        assert_eq!(mapped, ["192.0.2.1", "0.0.0.0"].map(address));
    }

    /// T28: nothing is remembered of an address that has no call under way.
    #[test]
    fn with_its_last_call_an_address_is_forgotten() {
        let strangers = Strangers::new(Bounds::beside(100_000));
        let each = (0..=255).flat_map(|a| (0..40).map(move |b| format!("198.18.{a}.{b}")));
        let held: Vec<_> = each.map(|it| at_once(&strangers, &it)).collect();
        assert_eq!(strangers.here().addresses.len(), 10_240);

        drop(held);
        let here = strangers.here();
        assert!(here.addresses.is_empty() && here.calls == 0);
        assert!(here.addresses.capacity() <= 64);
    }
}
