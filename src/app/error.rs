use crate::domain::Invalid;
use crate::domain::id::WorkerId;
use crate::ports::{
    AuthError, ControlError, LimitError, LogError, OwnerError, QueueError, RegistryError,
    ResultError, Throttled,
};

/// Why a use case did not do what it was asked.
///
/// Every message fits for a client's eyes; what lies beneath is in the source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field breaks its rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A worker speaks for another.
    #[error("worker {caller} may not act for {claimed}")]
    Impostor {
        /// Who it is.
        caller: WorkerId,
        /// Who it says it is.
        claimed: WorkerId,
    },
    /// Nobody knows who calls.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Too many attempts from there have failed to prove who it is.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The caller asks too much.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The queue did not serve.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The logs were not taken.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The result was not taken.
    #[error(transparent)]
    Result(#[from] ResultError),
    /// The run is another's.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// The control channel did not serve.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The registry did not serve.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Error {
    /// What was reached for, if that is another worker's.
    pub(super) fn trespass(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Queue(QueueError::NotTheirs(receipt))
            | Self::Control(ControlError::ReceiptNotTheirs(receipt)) => {
                Some(("receipt", receipt.to_string()))
            }
            Self::Control(ControlError::RequestNotTheirs(request)) => {
                Some(("reply", request.to_string()))
            }
            Self::Owner(OwnerError::NotTheirs { run, .. })
            | Self::Result(ResultError::NotTheirs { run, .. }) => Some(("run", run.to_string())),
            Self::Invalid(_)
            | Self::Impostor { .. }
            | Self::Auth(_)
            | Self::Throttled(_)
            | Self::Limit(_)
            | Self::Queue(QueueError::Unavailable(_))
            | Self::Log(_)
            | Self::Result(
                ResultError::UnknownRun(_)
                | ResultError::Unwritable { .. }
                | ResultError::Unavailable(_),
            )
            | Self::Owner(OwnerError::Unavailable(_))
            | Self::Control(ControlError::UnknownRequest(_) | ControlError::Unavailable(_))
            | Self::Registry(_) => None,
        }
    }
}
