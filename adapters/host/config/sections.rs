//! What the sections of the settings hold, and how each is read.

mod audit;
mod auth;
mod connections;
mod limit;
mod serving;
mod stores;

use std::time::Duration;

use super::super::telemetry::{Format, LogSettings};
use super::parse::{self, DAY};
use super::reader::Reader;

pub use self::audit::{Audit, AuditTarget};
pub use self::auth::{Auth, JwtAlgorithm, KeyStorage};
pub use self::connections::Connections;
pub use self::limit::{Limit, LimitStore};
pub use self::serving::{Admin, ClientTls, Grpc, Tls};
pub use self::stores::{Database, DatabaseTls, LogStreams, Memory, Redis, RedisTls};

/// When a back end that answers counts as away.
#[derive(Clone, Debug)]
pub struct Breaker {
    /// How long a call may take. Too short and a busy back end is left alone; too long and workers
    /// wait for one that crawls.
    pub slow: Duration,
}

impl Breaker {
    pub(super) fn read(from: &mut Reader) -> Self {
        Self {
            slow: from.get("BREAKER_SLOW_MS", parse::milliseconds(10..=600_000)),
        }
    }
}

/// When a task is delivered again, and when that is given up.
#[derive(Clone, Debug)]
pub struct Task {
    /// Deliveries of one task until it is dead-lettered.
    pub max_deliveries: u32,
    /// Times it may be given back until it is dead-lettered.
    pub max_returns: u32,
    /// Added to a task's own timeout. Too short and a slow report makes it run twice; too long
    /// and a lost worker's task waits.
    pub lease_grace: Duration,
}

impl Task {
    pub(super) fn read(from: &mut Reader) -> Self {
        Self {
            max_deliveries: from.get("TASK_MAX_DELIVERIES", parse::whole(1..=1_000_000)),
            max_returns: from.get("TASK_MAX_RETURNS", parse::whole(1..=1_000_000)),
            lease_grace: from.get("TASK_LEASE_GRACE_SECONDS", parse::seconds(1..=7 * DAY)),
        }
    }
}

impl LogSettings {
    pub(super) fn read(from: &mut Reader) -> Self {
        Self {
            filter: from.get("LOG_LEVEL", str::parse),
            format: from.get(
                "LOG_FORMAT",
                parse::one_of(&[("text", Format::Text), ("json", Format::Json)]),
            ),
        }
    }
}
