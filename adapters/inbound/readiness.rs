use tokio::sync::watch;

/// Whether the gateway can take work, as probes and health checks tell it.
///
/// Clones share one state. It begins as not ready.
#[derive(Clone, Debug)]
pub struct Readiness(watch::Sender<State>);

#[derive(Clone, Debug)]
struct State {
    obstacle: Option<String>,
    /// What is out of order, though it is ready.
    trouble: String,
    closing: bool,
}

impl Readiness {
    /// Not ready, for it is still starting.
    pub fn starting() -> Self {
        Self(watch::Sender::new(State {
            obstacle: Some("starting".to_owned()),
            trouble: String::new(),
            closing: false,
        }))
    }

    /// Ready, and nothing will change that.
    pub fn always() -> Self {
        let readiness = Self::starting();
        readiness.ready();
        readiness
    }

    /// From now on work is welcome.
    pub fn ready(&self) {
        self.set(None);
    }

    /// From now on work is welcome, though something is out of order; nothing is if the text is
    /// empty.
    pub fn ready_in_spite_of(&self, trouble: String) {
        self.0.send_modify(|state| state.trouble = trouble);
        self.set(None);
    }

    /// What is out of order, though it is ready.
    pub(super) fn trouble(&self) -> String {
        self.0.borrow().trouble.clone()
    }

    /// From now on work goes elsewhere, for this reason.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// Work goes elsewhere, for good.
    pub fn close(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
        self.0.send_modify(|state| state.closing = true);
    }

    /// What stands in the way, if anything does.
    pub(super) fn obstacle(&self) -> Option<String> {
        self.0.borrow().obstacle.clone()
    }

    /// Tells `what` whether it is ready, now and with each change.
    pub(super) async fn follow<F: Future<Output = ()>>(&self, mut tell: impl FnMut(bool) -> F) {
        let mut changes = self.0.subscribe();
        loop {
            let ready = changes.borrow_and_update().obstacle.is_none();
            tell(ready).await;
            // We hold a sender, so that there is always one.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn set(&self, obstacle: Option<String>) {
        self.0.send_if_modified(|state| {
            let changes = !state.closing && state.obstacle != obstacle;
            if changes {
                state.obstacle = obstacle;
            }
            changes
        });
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::starting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ready_again_once_it_closes() {
        let readiness = Readiness::starting();
        readiness.ready();
        assert_eq!(readiness.obstacle(), None);

        readiness.close("shutting down");
        readiness.ready();
        readiness.not_ready("Redis is away");
        assert_eq!(readiness.obstacle().as_deref(), Some("shutting down"));
    }
}
