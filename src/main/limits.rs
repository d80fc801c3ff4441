//! How much workers may ask, as the settings have it, and as they have it later on.

use std::sync::Arc;

use gateway_adapters::host::Config;
#[cfg(feature = "redis")]
use gateway_adapters::host::LimitStore;
use gateway_adapters::host::reload::{Files, Reloadable};
use gateway_adapters::outbound::{Overall, memory};
use gateway_core::domain::limit;
use gateway_core::ports::Limiter;
use tokio::sync::watch;

use super::store::Store;

/// Who limits workers.
pub(super) struct Limit {
    pub(super) limiter: Arc<dyn Limiter>,
    /// What they are limited to.
    pub(super) limits: Limits,
    /// How it learns of other limits.
    pub(super) reloadable: Reloadable,
    pub(super) what: &'static str,
}

pub(super) fn limiter(config: &Config, store: &Store) -> Limit {
    let (set, limits) = watch::channel(config.limit.limits);
    let here = memory::Limiter::new(limits.clone(), config.memory.max_workers);
    let (each, what) = shared(config, store, &limits, Arc::new(here));
    let what = match config.limit.limits {
        Some(_) => what,
        None => "none: workers are not limited",
    };
    Limit {
        limiter: Arc::new(Overall::new(each, limits.clone())),
        limits,
        reloadable: reloadable(config, set),
        what,
    }
}

/// The limits in force, if there are any.
pub(super) type Limits = watch::Receiver<Option<limit::Limits>>;

/// Who limits each worker, if not `here` alone.
#[cfg(feature = "redis")]
fn shared(
    config: &Config,
    store: &Store,
    limits: &Limits,
    here: Arc<dyn Limiter>,
) -> (Arc<dyn Limiter>, &'static str) {
    match (&store.redis, config.limit.store) {
        (Some(redis), LimitStore::Redis) => {
            let limiter = redis.limiter(limits.clone(), here);
            (Arc::new(limiter), "Redis: token buckets for each worker")
        }
        (Some(_), LimitStore::Memory) | (None, _) => (here, HERE),
    }
}

/// Settings that ask for Redis were refused before.
#[cfg(not(feature = "redis"))]
fn shared(
    _config: &Config,
    _store: &Store,
    _limits: &Limits,
    here: Arc<dyn Limiter>,
) -> (Arc<dyn Limiter>, &'static str) {
    (here, HERE)
}

const HERE: &str = "memory: token buckets for each worker";

/// Reads the settings again, and takes over what they say of limits and nothing else.
fn reloadable(config: &Config, set: watch::Sender<Option<limit::Limits>>) -> Reloadable {
    let files = Files::look(config.files());
    let config = config.clone();
    Reloadable {
        what: "rate limits",
        files,
        reload: Box::new(move || {
            let read = config.again().map_err(|problems| problems.to_string())?;
            set.send_replace(read.limit.limits);
            Ok(())
        }),
    }
}
