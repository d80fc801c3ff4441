use crate::domain::time::Timestamp;

/// Who knows the time of day.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// What time it is, in UTC. It may jump; nothing is measured with it.
    fn now(&self) -> Timestamp;
}
