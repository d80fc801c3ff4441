//! What a worker may ask of us, and how much of it.

mod bucket;

use std::time::Duration;

pub use bucket::{Bucket, Rate, RateError};

/// What a call is for. Each has a budget of its own, so that one cannot starve another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What keeps work going: registrations, heartbeats, acknowledgements, results, replies.
    Control,
    /// Waiting for something: tasks, commands.
    Poll,
    /// Logs, by calls and by bytes.
    Log,
}

impl Class {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Control, Self::Poll, Self::Log];

    /// Its name, for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Poll => "poll",
            Self::Log => "log",
        }
    }
}

/// What is to be taken from a worker's budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Whose budget of the worker's it is.
    pub class: Class,
    /// How many calls.
    pub calls: u32,
    /// How many bytes, which only logs are limited by.
    pub bytes: u64,
}

impl Demand {
    /// One call.
    pub fn call(class: Class) -> Self {
        Self {
            class,
            calls: 1,
            bytes: 0,
        }
    }

    /// The bytes of a call that was let in before its size was known.
    ///
    /// They have been read already, so they pass as long as anything is left, and may leave a debt.
    pub fn bytes(class: Class, bytes: u64) -> Self {
        Self {
            class,
            calls: 0,
            bytes,
        }
    }
}

/// What may be asked of us.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Calls of each worker that keep work going.
    pub control: Rate,
    /// Polls of each worker.
    pub poll: Rate,
    /// Calls of each worker that bring logs.
    pub log: Rate,
    /// Bytes of logs of each worker.
    pub log_bytes: Rate,
    /// Calls of all workers together, where they are limited.
    pub overall: Option<Rate>,
}

impl Limits {
    /// The same rate of calls for each class, and the usual one for bytes.
    pub fn even(calls: Rate) -> Self {
        Self {
            control: calls,
            poll: calls,
            log: calls,
            log_bytes: Rate::LOG_BYTES,
            overall: None,
        }
    }

    /// How many calls a worker may make within some time, of all classes together.
    pub fn calls_within(&self, time: Duration) -> u32 {
        let calls = Class::ALL.map(|class| self.calls(class).within(time));
        calls.into_iter().fold(0, u32::saturating_add)
    }

    /// Calls of a class.
    pub fn calls(&self, class: Class) -> Rate {
        match class {
            Class::Control => self.control,
            Class::Poll => self.poll,
            Class::Log => self.log,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_within_some_time_are_those_of_a_full_bucket_and_what_comes_back() {
        let rate = Rate::new(2.5, 10).expect("is a rate");
        let within = Limits::even(rate).calls_within(Duration::from_secs(4));
        assert_eq!(within, 3 * 20);
        let fast = Rate::new(f64::from(u32::MAX), u32::MAX).expect("is a rate");
        assert_eq!(
            Limits::even(fast).calls_within(Duration::from_secs(4)),
            u32::MAX
        );
    }
}
