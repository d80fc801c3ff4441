use crate::domain::audit::AuditEvent;

/// Where events are written that somebody may ask for later.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait AuditLog: Send + Sync {
    /// Takes `event` down. It does not wait and does not fail: what cannot be kept is counted.
    fn record(&self, event: AuditEvent);
}
