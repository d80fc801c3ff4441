use tokio::sync::watch;

/// Whether the gateway can take work, as `/readyz` tells it.
///
/// Clones share one state. It begins as not ready.
#[derive(Clone, Debug)]
pub struct Readiness(watch::Sender<Option<String>>);

impl Readiness {
    /// Not ready, for it is still starting.
    pub fn starting() -> Self {
        Self(watch::Sender::new(Some("starting".to_owned())))
    }

    /// From now on work is welcome.
    pub fn ready(&self) {
        self.0.send_replace(None);
    }

    /// From now on work goes elsewhere, for this reason.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.0.send_replace(Some(reason.into()));
    }

    /// What stands in the way, if anything does.
    pub(super) fn obstacle(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::starting()
    }
}
