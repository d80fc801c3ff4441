use gateway_core::domain::limit::{Limits, Rate};

use super::super::choice::Backend;
use super::super::parse;
use super::super::reader::Reader;

/// How much workers may ask.
#[derive(Clone, Debug)]
pub struct Limit {
    /// What they may; none if they are not limited.
    pub limits: Option<Limits>,
    /// Where it is counted what they asked.
    pub store: LimitStore,
}

/// Where it is counted what workers asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitStore {
    /// In this process: each gateway counts by itself.
    Memory,
    /// In Redis: all gateways count together.
    Redis,
}

impl Limit {
    /// Reads it; the choice of the backend must have been read before.
    pub(in crate::host::config) fn read(from: &mut Reader, backend: Backend) -> Self {
        let enabled = from.get("RATE_LIMIT_ENABLED", parse::switch);
        let limits = limits(from);
        Self {
            limits: limits.filter(|_| enabled),
            store: LimitStore::read(from, backend),
        }
    }
}

fn limits(from: &mut Reader) -> Option<Limits> {
    let main = Pair {
        per_second: from.get("RATE_LIMIT_RATE", parse::rate),
        capacity: from.get("RATE_LIMIT_CAPACITY", capacity),
    };
    let poll = main.or(from, "RATE_LIMIT_POLL_RATE", "RATE_LIMIT_POLL_CAPACITY");
    let log = main.or(from, "RATE_LIMIT_LOG_RATE", "RATE_LIMIT_LOG_CAPACITY");
    let bytes = Pair {
        per_second: from.get("RATE_LIMIT_LOG_BYTES", parse::bytes_a_second),
        capacity: from.get("RATE_LIMIT_LOG_BYTES_CAPACITY", capacity),
    };
    let overall = from.find("RATE_LIMIT_GLOBAL_RATE", parse::rate);
    let overall = overall.map(|per_second| Pair {
        per_second,
        capacity: second_of(per_second),
    });
    Some(Limits {
        control: main.rate(from, "RATE_LIMIT_CAPACITY")?,
        poll: poll.rate(from, "RATE_LIMIT_POLL_CAPACITY")?,
        log: log.rate(from, "RATE_LIMIT_LOG_CAPACITY")?,
        log_bytes: bytes.rate(from, "RATE_LIMIT_LOG_BYTES_CAPACITY")?,
        overall: match overall {
            Some(overall) => Some(overall.rate(from, "RATE_LIMIT_GLOBAL_RATE")?),
            None => None,
        },
    })
}

/// What a bucket of one second holds, where the rate is one that [`parse::rate`] lets through.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 0.001 and a million"
)]
fn second_of(per_second: f64) -> u32 {
    per_second.ceil() as u32
}

fn capacity(text: &str) -> parse::Parsed<u32> {
    parse::whole(1..=u64::from(u32::MAX))(text)
}

/// A rate in the making.
#[derive(Clone, Copy)]
struct Pair {
    per_second: f64,
    capacity: u32,
}

impl Pair {
    /// What is set by these names, else as it is here.
    fn or(self, from: &mut Reader, per_second: &str, capacity_name: &str) -> Self {
        Self {
            per_second: from
                .find(per_second, parse::rate)
                .unwrap_or(self.per_second),
            capacity: from.find(capacity_name, capacity).unwrap_or(self.capacity),
        }
    }

    fn rate(self, from: &mut Reader, name: &str) -> Option<Rate> {
        let rate = Rate::new(self.per_second, self.capacity);
        match rate {
            Ok(rate) => Some(rate),
            Err(error) => {
                let cited = from.cite(name);
                from.blame(format!("{cited}: {error}"));
                None
            }
        }
    }
}

impl LimitStore {
    fn read(from: &mut Reader, backend: Backend) -> Self {
        const NAME: &str = "RATE_LIMIT_STORE";
        let words = [("memory", Self::Memory), ("redis", Self::Redis)];
        if let Some(store) = from.find(NAME, parse::one_of(&words)) {
            if store == Self::Redis
                && backend == Backend::Memory
                && from.is_sound("GATEWAY_BACKEND")
            {
                let cited = from.cite(NAME);
                from.blame(format!(
                    "{cited} is redis, which needs GATEWAY_BACKEND=redis"
                ));
            }
            return store;
        }
        let (store, shown, why) = match backend {
            Backend::Memory => (Self::Memory, "memory", "default on memory"),
            Backend::Redis => (Self::Redis, "redis", "default on redis"),
        };
        from.chosen(NAME, shown, why);
        store
    }
}
