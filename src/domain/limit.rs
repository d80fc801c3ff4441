//! What a worker may ask of us, and how much of it.

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
    pub fn bytes(class: Class, bytes: u64) -> Self {
        Self {
            class,
            calls: 0,
            bytes,
        }
    }
}
