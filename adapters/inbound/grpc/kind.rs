use gateway_core::domain::limit::Class;

/// What every call of the protocol begins with.
pub(super) const PROTOCOL: &str = "/antcode.v1.GatewayService/";

/// What a call does with our time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It waits for a task.
    PollTask,
    /// It waits for a command.
    PollControl,
    /// It stays open.
    Live,
    /// It brings logs.
    Log,
    /// It keeps work going.
    Other,
}

impl Kind {
    /// The kind of the call at `path`.
    pub(super) fn of(path: &str) -> Self {
        match path.strip_prefix(PROTOCOL) {
            Some("PollTask") => Self::PollTask,
            Some("PollControl") => Self::PollControl,
            Some("WorkerStream") => Self::Live,
            Some("SendLog" | "SendLogBatch" | "SendLogChunk") => Self::Log,
            _ => Self::Other,
        }
    }

    /// Whose budget it is taken from.
    pub(super) fn class(self) -> Class {
        match self {
            Self::PollTask | Self::PollControl => Class::Poll,
            Self::Log => Class::Log,
            Self::Live | Self::Other => Class::Control,
        }
    }

    /// What it waits for, if it is a poll.
    pub(super) fn poll(self) -> Option<&'static str> {
        match self {
            Self::PollTask => Some("task"),
            Self::PollControl => Some("control"),
            Self::Live | Self::Log | Self::Other => None,
        }
    }

    /// Whether it spends its time waiting.
    pub(super) fn waits(self) -> bool {
        self.poll().is_some() || self == Self::Live
    }
}
