//! What can be away, and what that means for who asks whether we are ready.

use futures::future::select_all;
use gateway_adapters::inbound::Readiness;
use tokio::sync::watch;

/// A backend that can be away.
pub(super) struct Remote {
    /// What it is called.
    pub(super) name: &'static str,
    /// Why it is away, if it is.
    pub(super) away: Away,
    /// Whether nothing of use can be done without it.
    pub(super) vital: bool,
}

impl Remote {
    /// What stands in the way, if it is away. From here on a change is one from now.
    pub(super) fn obstacle(&mut self) -> Option<String> {
        let reason = self.away.borrow_and_update();
        let reason = reason.as_ref()?;
        Some(format!("{} is away: {reason}", self.name))
    }
}

/// Why something is away, if it is, and whatever changes of it.
pub(super) type Away = watch::Receiver<Option<String>>;

/// Waits until somebody is not away.
pub(super) async fn answers(mut away: Away) {
    // Who is never heard of again is not waited for.
    let _closed = away.wait_for(Option::is_none).await;
}

/// Keeps `readiness` as the backends are: ready, unless one is away that is needed for everything. What
/// else is away is told beside it.
pub(super) fn reflect(mut backends: Vec<Remote>, readiness: Readiness) {
    tokio::spawn(async move {
        loop {
            let (mut obstacles, mut troubles) = (Vec::new(), Vec::new());
            for backend in &mut backends {
                let away = backend.obstacle();
                let told = if backend.vital {
                    &mut obstacles
                } else {
                    &mut troubles
                };
                told.extend(away);
            }
            if obstacles.is_empty() {
                readiness.ready_in_spite_of(troubles.join("; "));
            } else {
                readiness.not_ready(obstacles.join("; "));
            }
            if backends.is_empty() {
                return;
            }
            let news = backends
                .iter_mut()
                .map(|backend| Box::pin(backend.away.changed()));
            let (changed, place, _) = select_all(news).await;
            if changed.is_err() {
                // Nobody asks it anything, so it is missed by nobody.
                backends.swap_remove(place);
            }
        }
    });
}
