//! How often connections of an address have failed before they were open.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::census::Address;

/// Addresses whose failures are counted. Beyond it those are forgotten of which nothing was heard
/// for longest: whoever has that many addresses has their budgets, too.
const MAX_ADDRESSES: NonZeroUsize = NonZeroUsize::new(65_536).expect("it is above zero");

const MINUTE: Duration = Duration::from_mins(1);

/// The failures of each address. They are forgotten one by one, at an even pace, so that no more
/// than twice the budget fails in any minute, but for those that are under way when it is spent.
pub(in crate::inbound::grpc) struct Failures {
    addresses: Mutex<LruCache<Address, Failed>>,
    /// In which time one is forgotten.
    pace: Duration,
}

/// What an address has failed.
struct Failed {
    /// When all of it is forgotten, if nothing else fails until then.
    until: Instant,
    /// When it was told last that it is too much.
    told: Option<Instant>,
}

/// Connections of an address have failed too often.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Barred {
    /// Whether this is the first that is told of it in a minute.
    pub(super) newly: bool,
}

impl Failures {
    /// Lets connections of each address fail `per_minute` times a minute, and as often at once.
    pub(in crate::inbound::grpc) fn new(per_minute: u32) -> Self {
        Self {
            addresses: Mutex::new(LruCache::new(MAX_ADDRESSES)),
            pace: MINUTE / per_minute.max(1),
        }
    }

    /// Makes sure that one more connection of `address` may fail.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), Barred> {
        let now = Instant::now();
        let mut addresses = self.addresses();
        let Some(failed) = addresses.get_mut(&address.into()) else {
            return Ok(());
        };
        if failed.until + self.pace <= now + MINUTE {
            return Ok(());
        }
        let newly = failed.told.is_none_or(|told| told + MINUTE <= now);
        if newly {
            failed.told = Some(now);
        }
        Err(Barred { newly })
    }

    /// Counts a failure of `address`.
    pub(super) fn count(&self, address: IpAddr) {
        let now = Instant::now();
        let mut addresses = self.addresses();
        let failed = addresses.get_or_insert_mut(address.into(), || Failed {
            until: now,
            told: None,
        });
        // Those that were under way when the budget was spent do not make it last longer.
        failed.until = (failed.until.max(now) + self.pace).min(now + MINUTE);
    }

    fn addresses(&self) -> MutexGuard<'_, LruCache<Address, Failed>> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::advance;

    use super::*;

    const FIRST: Result<(), Barred> = Err(Barred { newly: true });
    const AGAIN: Result<(), Barred> = Err(Barred { newly: false });

    fn address(text: &str) -> IpAddr {
        text.parse().expect("is an address")
    }

    // T1, T13
    #[tokio::test(start_paused = true)]
    async fn an_address_may_fail_so_often_and_time_makes_up_for_it() {
        let failures = Failures::new(60);
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..60 {
            assert_eq!(failures.check(here), Ok(()));
            failures.count(here);
        }

        assert_eq!(failures.check(here), FIRST);
        assert_eq!(failures.check(there), Ok(()));
        advance(Duration::from_secs(1)).await;
        assert_eq!(failures.check(here), Ok(()));
        failures.count(here);
        assert_eq!(failures.check(here), AGAIN);
        advance(MINUTE).await;
        for _ in 0..60 {
            assert_eq!(failures.check(here), Ok(()), "all is forgotten");
            failures.count(here);
        }
        assert_eq!(failures.check(here), FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn those_under_way_when_it_is_spent_cost_no_more() {
        let failures = Failures::new(2);
        let here = address("192.0.2.1");
        for _ in 0..1000 {
            failures.count(here);
        }

        assert_eq!(failures.check(here), FIRST);
        advance(MINUTE / 2).await;
        assert_eq!(failures.check(here), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_once_a_minute() {
        let failures = Failures::new(1);
        let here = address("192.0.2.1");
        failures.count(here);

        assert_eq!(failures.check(here), FIRST);
        for _ in 0..5 {
            advance(MINUTE / 6).await;
            failures.count(here);
            assert_eq!(failures.check(here), AGAIN);
        }
        advance(MINUTE / 6).await;
        failures.count(here);
        assert_eq!(failures.check(here), FIRST);
    }

    #[test]
    fn a_network_of_v6_is_one_address() {
        let failures = Failures::new(1);
        failures.count(address("2001:db8::1"));
        failures.count(address("::ffff:192.0.2.1"));

        assert_eq!(failures.check(address("2001:db8::2")), FIRST);
        assert_eq!(failures.check(address("192.0.2.1")), FIRST);
        assert_eq!(failures.check(address("2001:db8:0:1::1")), Ok(()));
    }

    // T28
    #[test]
    fn the_addresses_are_bounded() {
        let failures = Failures::new(1);
        for number in 0..70_000_u32 {
            failures.count(Ipv4Addr::from_bits(number).into());
        }

        assert_eq!(failures.addresses().len(), MAX_ADDRESSES.get());
        assert_eq!(failures.check(Ipv4Addr::from_bits(0).into()), Ok(()));
        assert_eq!(failures.check(Ipv4Addr::from_bits(69_999).into()), FIRST);
    }
}
