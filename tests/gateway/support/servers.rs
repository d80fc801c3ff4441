//! Private servers that tests start: Redis, a cluster, a Sentinel trio, `MariaDB`, and a proxy before
//! any of them.
//!
//! A server listens on a free port of 127.0.0.1 and keeps its files in a folder of its own. It ends
//! when it is dropped, and a shared one with the process of the tests, however that ends.

mod cluster;
#[cfg(feature = "mysql")]
mod mariadb;
mod process;
mod proxy;
mod redis;
mod resp;
mod sentinel;
#[cfg(feature = "redis")]
mod slots;
#[cfg(feature = "redis")]
mod tls;

pub(crate) use cluster::RedisCluster;
#[cfg(feature = "mysql")]
pub(crate) use mariadb::{Database, MariaDb};
pub(crate) use proxy::Proxy;
pub(crate) use redis::{RedisOptions, RedisServer};
pub(crate) use resp::{Connection, Reply};
pub(crate) use sentinel::RedisSentinel;
#[cfg(feature = "redis")]
pub(crate) use tls::{Authority, RedisTls, text};

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time;

/// How long a test waits for what must come.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A namespace that no other test of this process has, so that tests can share a server.
pub(crate) fn namespace() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Looks until there is something to see, for [`LONG`] at most; `what` is for the message.
pub(crate) async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let looks = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            // A look is cheap and those looked at need the cores: a breath, not a guess how long it takes.
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    let seen = time::timeout(LONG, looks).await;
    seen.unwrap_or_else(|late| panic!("{what}: {late}"))
}

/// A port that is free, as is the one 10,000 above, where a node of a cluster talks to the others.
///
/// Both are below those that the system hands out itself: one of these may be taken by any
/// connection of any test while a killed server is not yet started again.
fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let port = rand::random_range(12_000..22_000);
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if free(port) && free(port + 10_000) && given.insert(port) {
            return port;
        }
    }
}
