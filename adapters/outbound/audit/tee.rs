use std::sync::{Arc, OnceLock};

use gateway_core::domain::audit::AuditEvent;
use gateway_core::ports::AuditLog;

/// An [`AuditLog`] that passes events on to another as well, once there is one.
pub struct Tee {
    first: Arc<dyn AuditLog>,
    second: OnceLock<Arc<dyn AuditLog>>,
}

impl Tee {
    /// Passes events on to `first`.
    pub fn new(first: Arc<dyn AuditLog>) -> Self {
        Self {
            first,
            second: OnceLock::new(),
        }
    }

    /// Passes them on to `second`, too, from now on.
    pub fn and(&self, second: Arc<dyn AuditLog>) {
        // There is one place that adds one.
        let _kept = self.second.set(second);
    }
}

impl AuditLog for Tee {
    fn record(&self, event: AuditEvent) {
        if let Some(second) = self.second.get() {
            second.record(event.clone());
        }
        self.first.record(event);
    }
}
