//! The breakers before what can be away.

use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::breaker::{Breaker, Guarded};

use super::remote::{Away, Remote};

/// Breakers before the adapters of one back end.
pub(super) struct Breakers {
    slow: Duration,
    away: Away,
    made: Vec<Remote>,
}

impl Breakers {
    /// To them calls of `slow` and longer are as good as failed; `away` is what the pulse of the
    /// back end says.
    pub(super) fn new(slow: Duration, away: Away) -> Self {
        Self {
            slow,
            away,
            made: Vec::new(),
        }
    }

    /// One before `adapter`. Where it is vital, nothing of use can be done while it is open.
    pub(super) fn before<P>(
        &mut self,
        adapter: Arc<P>,
        port: &'static str,
        vital: bool,
    ) -> Arc<Guarded<P>> {
        let breaker = Breaker::new(port, self.slow, self.away.clone());
        self.made.push(Remote {
            name: port,
            away: breaker.open(),
            vital,
        });
        Arc::new(Guarded::new(adapter, breaker))
    }

    /// All that were made, as what can be away.
    pub(super) fn made(self) -> Vec<Remote> {
        self.made
    }
}
