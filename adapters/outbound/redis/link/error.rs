use std::time::Duration;

use fred::error::ErrorKind;
use gateway_core::ports::KnownOutage;

/// Why a command got no answer that could be used.
#[derive(Clone, Debug, thiserror::Error)]
pub(in super::super) enum LinkError {
    /// Redis is known to be out of reach; the command was not sent.
    #[error("Redis is away")]
    Away(#[source] KnownOutage),
    /// The command may or may not have been carried out.
    #[error(transparent)]
    Failed(#[from] fred::error::Error),
    /// It took too long; the command may or may not have been carried out.
    #[error("no answer within {} ms", .0.as_millis())]
    Overdue(Duration),
    /// The answer has a form that nobody knows.
    #[error("Redis answered with {0}")]
    Nonsense(String),
}

impl LinkError {
    /// Whether Redis has no memory left for what it was to store.
    pub(in super::super) fn is_full(&self) -> bool {
        matches!(self, Self::Failed(error) if error.details().starts_with("OOM"))
    }

    /// Whether the same command may succeed a moment later, as the connection is to blame.
    pub(super) fn is_passing(&self) -> bool {
        let Self::Failed(error) = self else {
            return false;
        };
        matches!(
            error.kind(),
            ErrorKind::IO
                | ErrorKind::Canceled
                | ErrorKind::Timeout
                | ErrorKind::Cluster
                | ErrorKind::Routing
        ) || [
            "LOADING",
            "READONLY",
            "MASTERDOWN",
            "CLUSTERDOWN",
            "TRYAGAIN",
            "BUSY ",
            // What fred says of a command that it let go of while it made connections anew.
            "Too many failed write attempts",
            "channel closed",
        ]
        .iter()
        .any(|prefix| error.details().starts_with(prefix))
    }

    /// Whether Redis has answered that it will not, which asking again does not change.
    pub(in super::super) fn is_refusal(&self) -> bool {
        let Self::Failed(error) = self else {
            return matches!(self, Self::Nonsense(_));
        };
        let prefixes = ["NOPERM", "ERR ", "unknown command"];
        prefixes
            .iter()
            .any(|prefix| error.details().starts_with(prefix))
    }

    /// Whether it is for want of an answer.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Overdue(_)) || self.is_passing()
    }

    /// Whether Redis lost the text of a script: that does not outlive a restart or a failover.
    pub(super) fn is_unknown_script(error: &fred::error::Error) -> bool {
        error.details().starts_with("NOSCRIPT")
    }
}
