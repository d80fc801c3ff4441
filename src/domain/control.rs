//! What the platform tells a worker to do, and what the worker replies.

use std::collections::BTreeMap;

use crate::domain::id::{ReceiptId, RequestId, RunId, TaskId, WorkerId};

/// Something a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Stop this task.
    Cancel {
        /// The task.
        task: TaskId,
        /// The run of it; none means whichever runs.
        run: Option<RunId>,
        /// Why; may be empty.
        reason: String,
    },
    /// Take these settings.
    Configure(BTreeMap<String, String>),
    /// Do something to your runtime, and reply.
    Runtime {
        /// What the reply names.
        request: RequestId,
        /// What is to be done.
        action: String,
        /// Where the one who asks waits for the reply.
        reply_stream: String,
        /// What it is to be done with: the text of a JSON object.
        payload: String,
    },
}

impl Command {
    /// Whether `lane` can carry it.
    pub fn fits(&self, lane: Lane) -> bool {
        match (self, lane) {
            (_, Lane::Poll) | (Self::Cancel { .. } | Self::Configure(_), Lane::Stream) => true,
            (Self::Runtime { .. }, Lane::Stream) => false,
        }
    }
}

/// The way a command reaches its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The worker asks for it.
    Poll,
    /// The live channel, whose messages have no place for a runtime request.
    Stream,
}

/// Whom a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// This worker.
    Worker(WorkerId),
    /// Every worker there is.
    Everyone,
}

/// A command in the hands of a worker, until its receipt is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandDelivery {
    /// What to settle it with.
    pub receipt: ReceiptId,
    /// The command itself.
    pub command: Command,
}

/// What a worker replies to a runtime request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request.
    pub request: RequestId,
    /// Whether it was carried out.
    pub success: bool,
    /// What came of it: JSON text, or empty.
    pub data: String,
    /// What went wrong; may be empty.
    pub error: String,
    /// The stream the worker would have it sent to. It is not believed, only compared.
    pub reply_stream: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_carries_all_but_runtime_requests() {
        let cancel = Command::Cancel {
            task: TaskId::parse("t").expect("is an identifier"),
            run: None,
            reason: String::new(),
        };
        let runtime = Command::Runtime {
            request: RequestId::parse("q").expect("is an identifier"),
            action: "ping".into(),
            reply_stream: String::new(),
            payload: "{}".into(),
        };
        for (command, streamed) in [
            (cancel, true),
            (Command::Configure(BTreeMap::new()), true),
            (runtime, false),
        ] {
            assert!(command.fits(Lane::Poll), "{command:?}");
            assert_eq!(command.fits(Lane::Stream), streamed, "{command:?}");
        }
    }
}
