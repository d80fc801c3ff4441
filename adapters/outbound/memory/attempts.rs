use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::network;
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

/// How many times the failures of one network all those of one site may have.
const SITE: f64 = 10.0;

/// How many times as often as it fails may an address try nothing: to say so costs next to nothing.
const SILENCE: f64 = 100.0;

/// How much failure each address may have: an IPv4 address, or the first 64 bits of an IPv6 one.
/// All those of an IPv6 site, its first 48 bits, may have ten times as much together.
///
/// Failures are forgotten one by one, at an even pace, so that no more than twice the budget
/// fails in any minute.
pub struct Attempts {
    /// Those that try something.
    addresses: Known,
    sites: Known,
    /// Those that try nothing.
    silent: Known,
    budget: f64,
}

type Known = Guarded<LruCache<IpAddr, Arc<Address>>>;

impl Attempts {
    /// Lets each address fail `per_minute` times a minute, and as often at once.
    pub fn new(per_minute: u32) -> Self {
        Self {
            addresses: Guarded::new(LruCache::new(MAX_ADDRESSES)),
            sites: Guarded::new(LruCache::new(MAX_ADDRESSES)),
            silent: Guarded::new(LruCache::new(MAX_ADDRESSES)),
            budget: f64::from(per_minute.max(1)),
        }
    }

    fn address(&self, peer: Option<IpAddr>) -> Arc<Address> {
        known(&self.addresses, household(peer), self.budget)
    }

    /// What the address is a part of, if it is a part of anything.
    fn site(&self, peer: Option<IpAddr>) -> Option<Arc<Address>> {
        let site = network::site(peer?);
        let wider = site.is_ipv6();
        wider.then(|| known(&self.sites, site, self.budget * SITE))
    }
}

/// Callers of whom no address is known share one.
fn household(peer: Option<IpAddr>) -> IpAddr {
    peer.map_or(Ipv4Addr::UNSPECIFIED.into(), network::household)
}

fn known(addresses: &Known, network: IpAddr, budget: f64) -> Arc<Address> {
    let mut addresses = addresses.lock();
    addresses
        .get_or_insert(network, || Arc::new(Address::new(budget)))
        .clone()
}

#[async_trait]
impl ports::Attempts for Attempts {
    async fn begin(&self, peer: Option<IpAddr>) -> Result<Attempt, Throttled> {
        let deadline = Instant::now() + PATIENCE;
        let site = self.site(peer);
        if let Some(site) = &site {
            // Whoever may not try takes no leave of its neighbours.
            site.state.lock().expect_leave()?;
        }
        let own = Leave::take(&self.address(peer), deadline).await?;
        let shared = match &site {
            Some(site) => Some(Leave::take(site, deadline).await?),
            None => None,
        };
        Ok(Attempt::new(move |failed| {
            own.end(failed);
            if let Some(shared) = shared {
                shared.end(failed);
            }
        }))
    }

    fn fail(&self, peer: Option<IpAddr>) -> Result<(), Throttled> {
        let site = self.site(peer);
        if let Some(site) = &site {
            site.state.lock().expect_leave()?;
        }
        self.address(peer).state.lock().fail()?;
        if let Some(site) = &site {
            site.state.lock().fail()?;
        }
        Ok(())
    }

    fn say_nothing(&self, peer: Option<IpAddr>) -> Result<(), Throttled> {
        let address = known(&self.silent, household(peer), self.budget * SILENCE);
        let mut state = address.state.lock();
        state.fail()
    }
}

/// Too many from one address are at it; how they end is not known.
const BUSY: Throttled = Throttled {
    retry_after: PATIENCE,
    full_after: PATIENCE,
    newly: false,
};

/// Leave for one attempt. Unless it is ended, it is given back as it was.
struct Leave(Option<Arc<Address>>);

impl Leave {
    /// Takes leave of `address`, which others may have to give back before.
    async fn take(address: &Arc<Address>, deadline: Instant) -> Result<Self, Throttled> {
        if address.lend()? {
            return Ok(Self(Some(address.clone())));
        }
        let _waiting = Waiting::among_those_of(address)?;
        loop {
            let freed = address.freed.notified();
            if address.lend()? {
                return Ok(Self(Some(address.clone())));
            }
            if timeout_at(deadline, freed).await.is_err() {
                return Err(BUSY);
            }
        }
    }

    fn end(mut self, failed: bool) {
        if let Some(address) = self.0.take() {
            address.settle(failed);
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(address) = self.0.take() {
            address.settle(false);
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

    /// Counts a failure, unless everything has failed that may.
    fn fail(&mut self) -> Result<(), Throttled> {
        self.expect_leave()?;
        self.failed += 1.0;
        Ok(())
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
