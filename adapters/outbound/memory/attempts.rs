use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::ports::{self, Attempt, Throttled};
use lru::LruCache;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::guarded::Guarded;

/// Addresses whose failures are counted. Beyond it those are forgotten that tried longest ago:
/// whoever has that many addresses has their budgets, too.
const MAX_ADDRESSES: NonZeroUsize = NonZeroUsize::new(65_536).expect("it is above zero");

/// How long an attempt waits for others from its address, and how many may wait so.
const PATIENCE: Duration = Duration::from_secs(1);
const MAX_WAITING: u32 = 256;

/// How often an address is told of anew that goes on failing.
const TELL_AGAIN: Duration = Duration::from_mins(1);

/// How much failure each address may have: an IPv4 address, or the first 64 bits of an IPv6 one,
/// which is the least that anybody is given.
///
/// Failures are forgotten one by one, at an even pace, so that no more than twice the budget
/// fails in any minute.
pub struct Attempts {
    /// Those that try something.
    guessing: Addresses,
    /// Those that try nothing.
    silent: Addresses,
    budget: f64,
}

type Addresses = Guarded<LruCache<IpAddr, Arc<Address>>>;

impl Attempts {
    /// Lets each address fail `per_minute` times a minute, and as often at once.
    pub fn new(per_minute: u32) -> Self {
        Self {
            guessing: Guarded::new(LruCache::new(MAX_ADDRESSES)),
            silent: Guarded::new(LruCache::new(MAX_ADDRESSES)),
            budget: f64::from(per_minute.max(1)),
        }
    }

    fn address(&self, among: &Addresses, peer: Option<IpAddr>) -> Arc<Address> {
        let mut addresses = among.lock();
        addresses
            .get_or_insert(network(peer), || Arc::new(Address::new(self.budget)))
            .clone()
    }

    fn count(&self, among: &Addresses, peer: Option<IpAddr>) -> Result<(), Throttled> {
        let address = self.address(among, peer);
        let mut state = address.state.lock();
        state.expect_leave()?;
        state.failed += 1.0;
        Ok(())
    }
}

#[async_trait]
impl ports::Attempts for Attempts {
    async fn begin(&self, peer: Option<IpAddr>) -> Result<Attempt, Throttled> {
        let address = self.address(&self.guessing, peer);
        if address.lend()? {
            return Ok(address.attempt());
        }
        let _waiting = Waiting::among_those_of(&address)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let freed = address.freed.notified();
            if address.lend()? {
                return Ok(address.attempt());
            }
            if timeout_at(deadline, freed).await.is_err() {
                return Err(BUSY);
            }
        }
    }

    fn fail(&self, peer: Option<IpAddr>) -> Result<(), Throttled> {
        self.count(&self.guessing, peer)
    }

    fn say_nothing(&self, peer: Option<IpAddr>) -> Result<(), Throttled> {
        self.count(&self.silent, peer)
    }
}

/// Too many from one address are at it; how they end is not known.
const BUSY: Throttled = Throttled {
    retry_after: PATIENCE,
    full_after: PATIENCE,
    newly: false,
};

/// What counts as one address. Callers of whom none is known share one.
fn network(peer: Option<IpAddr>) -> IpAddr {
    match peer.map(|peer| peer.to_canonical()) {
        None => Ipv4Addr::UNSPECIFIED.into(),
        Some(IpAddr::V4(address)) => address.into(),
        Some(IpAddr::V6(address)) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

struct Address {
    state: Guarded<State>,
    freed: Notify,
}

struct State {
    budget: f64,
    /// What has failed, less what is forgotten.
    failed: f64,
    /// Until when that was reckoned.
    at: Instant,
    /// Attempts under way.
    lent: u32,
    waiting: u32,
    told: Option<Instant>,
}

impl Address {
    fn new(budget: f64) -> Self {
        let state = State {
            budget,
            failed: 0.0,
            at: Instant::now(),
            lent: 0,
            waiting: 0,
            told: None,
        };
        Self {
            state: Guarded::new(state),
            freed: Notify::new(),
        }
    }

    /// Takes leave for an attempt, if there is any that is not lent to others.
    fn lend(&self) -> Result<bool, Throttled> {
        let mut state = self.state.lock();
        state.expect_leave()?;
        let free = state.failed + f64::from(state.lent) + 1.0 <= state.budget;
        state.lent += u32::from(free);
        Ok(free)
    }

    /// The attempt that leave was taken for.
    fn attempt(self: &Arc<Self>) -> Attempt {
        let address = self.clone();
        Attempt::new(move |failed| address.settle(failed))
    }

    fn settle(&self, failed: bool) {
        let mut state = self.state.lock();
        state.forget();
        state.lent -= 1;
        if failed {
            state.failed += 1.0;
        }
        if state.failed + 1.0 > state.budget {
            // Nobody need wait for what is not to come.
            self.freed.notify_waiters();
        } else {
            self.freed.notify_one();
        }
    }
}

impl State {
    /// Forgets what time has made up for.
    fn forget(&mut self) {
        let now = Instant::now();
        let forgotten = (now - self.at).as_secs_f64() * self.budget / 60.0;
        self.failed = (self.failed - forgotten).max(0.0);
        self.at = now;
    }

    /// Makes sure that not everything has failed that may.
    fn expect_leave(&mut self) -> Result<(), Throttled> {
        self.forget();
        let missing = self.failed + 1.0 - self.budget;
        if missing <= 0.0 {
            return Ok(());
        }
        let newly = self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN);
        if newly {
            self.told = Some(self.at);
        }
        let after = |failures: f64| Duration::from_secs_f64(failures * 60.0 / self.budget);
        Err(Throttled {
            retry_after: after(missing),
            full_after: after(self.failed),
            newly,
        })
    }
}

/// One that waits, for as long as it does.
struct Waiting<'a>(&'a Address);

impl<'a> Waiting<'a> {
    fn among_those_of(address: &'a Address) -> Result<Self, Throttled> {
        let mut state = address.state.lock();
        if state.waiting >= MAX_WAITING {
            return Err(BUSY);
        }
        state.waiting += 1;
        Ok(Self(address))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.lock().waiting -= 1;
    }
}

#[cfg(test)]
mod tests;
