use std::io;

use gateway_core::domain::Invalid;

/// Why a tool could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers.
    #[error(
        "no gateway answers at {base} ({reason}); is one running there with its API on, \
         and are ADMIN_API, ADMIN_HOST and ADMIN_PORT the same here?"
    )]
    Unreachable {
        /// Where the gateway should be.
        base: String,
        /// What the attempt came to.
        reason: String,
    },
    /// The gateway says no, in these words.
    #[error("{0}")]
    Refused(String),
    /// The gateway's backend keeps nothing of the kind, in these words.
    #[error("{0}")]
    NotKept(String),
    /// The gateway went silent in the middle of its answer.
    #[error("{door} broke off: {reason}")]
    BrokenOff {
        /// Who it is.
        door: String,
        /// What became of the connection.
        reason: String,
    },
    /// The answer is none that a gateway gives.
    #[error("{door} answers as no gateway of this kind does: {reason}")]
    Garbled {
        /// Who it is.
        door: String,
        /// What is odd about the answer.
        reason: String,
    },
    /// What was asked for cannot be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There is no writing to the output.
    #[error("cannot write: {0}")]
    Output(#[source] io::Error),
}
