//! Workers: what they run on, and how they are.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::domain::Invalid;
use crate::domain::id::WorkerId;
use crate::domain::time::Timestamp;

/// What a worker says it is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerStatus {
    /// It takes tasks.
    Online,
    /// It has no room for more.
    Busy,
    /// It is about to leave.
    Offline,
}

impl WorkerStatus {
    /// The name it is stored by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Busy => "busy",
            Self::Offline => "offline",
        }
    }
}

impl FromStr for WorkerStatus {
    type Err = Invalid;

    /// Reads what workers write; one that says nothing is online.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "online" | "" => Ok(Self::Online),
            "busy" => Ok(Self::Busy),
            "offline" => Ok(Self::Offline),
            _ => Err(Invalid::text("status", "online, busy or offline", text)),
        }
    }
}

/// A share of 100, as its sensor gave it.
///
/// Sensors overshoot, and a heartbeat is worth more than its decimals: what lies outside is brought
/// to the nearest end, and what is no number counts as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(f32);

impl Percent {
    /// The share nearest to `value`.
    pub fn nearest(value: f32) -> Self {
        if value.is_nan() {
            return Self(0.0);
        }
        Self(value.clamp(0.0, 100.0))
    }

    /// 0 to 100.
    pub fn get(self) -> f32 {
        self.0
    }
}

/// How busy a worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Of its processors.
    pub cpu: Percent,
    /// Of its memory.
    pub memory: Percent,
    /// Of its disk.
    pub disk: Percent,
    /// Tasks it runs.
    pub running: u32,
    /// Tasks it could run at once.
    pub capacity: u32,
}

/// What a worker runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Os {
    /// Linux, Windows, Darwin …
    pub kind: String,
    /// Its version.
    pub version: String,
    /// The version of the worker's Python.
    pub python: String,
    /// The machine's architecture.
    pub arch: String,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// Whose it is.
    pub worker: WorkerId,
    /// What it is up to.
    pub status: WorkerStatus,
    /// How busy it is; none if it does not say.
    pub load: Option<Load>,
    /// The worker's version; may be empty.
    pub version: String,
    /// What it runs on; none leaves what is known.
    pub os: Option<Os>,
    /// What it can do; none leaves what is known.
    pub capabilities: Option<BTreeMap<String, String>>,
    /// When it arrived, by our clock.
    pub at: Timestamp,
}

/// A worker's process that starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Whose it is.
    pub worker: WorkerId,
    /// What it runs on.
    pub os: Os,
    /// What it can do.
    pub capabilities: BTreeMap<String, String>,
    /// When it arrived, by our clock.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_percent_is_one(value in any::<f32>()) {
            prop_assert!((0.0..=100.0).contains(&Percent::nearest(value).get()));
        }
    }

    #[test]
    fn what_is_no_number_is_nothing() {
        for (given, got) in [
            (f32::NAN, 0.0),
            (f32::INFINITY, 100.0),
            (-3.0, 0.0),
            (41.5, 41.5),
        ] {
            assert!(
                (Percent::nearest(given).get() - got).abs() < f32::EPSILON,
                "{given}"
            );
        }
    }

    #[test]
    fn each_status_has_one_name_both_ways() {
        for (status, name) in [
            (WorkerStatus::Online, "online"),
            (WorkerStatus::Busy, "busy"),
            (WorkerStatus::Offline, "offline"),
        ] {
            assert_eq!((status.as_str(), name.parse()), (name, Ok(status)));
        }
    }

    #[test]
    fn a_silent_status_is_online() {
        assert_eq!("".parse(), Ok(WorkerStatus::Online));
        assert!("asleep".parse::<WorkerStatus>().is_err());
    }
}
