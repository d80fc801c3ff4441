//! What is looked at when somebody asks for the metrics, rather than counted as it happens.

use std::sync::Arc;

use gateway_adapters::host::metrics::Metrics;
use gateway_adapters::inbound::admin;
use gateway_adapters::metrics::{BACKEND_UP, POOL, SPOOL_AGE, SPOOL_DEPTH};
use gateway_core::ports::{Backlog, Clock};
use metrics::gauge;

use super::plug::{Away, Connections, Plugged, Remote};

/// All that is told when somebody asks: what was counted, and how things are.
pub(super) fn metrics(counted: Metrics, plugged: &Plugged) -> admin::Metrics {
    let backends: Vec<_> = plugged.backends.iter().filter_map(Backend::new).collect();
    let backlog = plugged.backlog.clone();
    let clock = plugged.gateway.clock.clone();
    Arc::new(move || {
        backends.iter().for_each(Backend::look);
        if let Some(backlog) = &backlog {
            look(&backlog.borrow(), &*clock);
        }
        counted.render()
    })
}

struct Backend {
    name: String,
    away: Away,
    connections: Connections,
}

impl Backend {
    /// A breaker is no backend: it tells of itself.
    fn new(remote: &Remote) -> Option<Self> {
        Some(Self {
            name: remote.name.to_ascii_lowercase(),
            away: remote.away.clone(),
            connections: remote.connections.clone()?,
        })
    }

    fn look(&self) {
        let up = self.away.borrow().is_none();
        gauge!(BACKEND_UP, "backend" => self.name.clone()).set(f64::from(u8::from(up)));
        for (state, count) in (self.connections)() {
            gauge!(POOL, "backend" => self.name.clone(), "state" => state).set(count);
        }
    }
}

fn look(backlog: &Backlog, clock: &dyn Clock) {
    let age = backlog
        .oldest
        .map(|oldest| clock.now().duration_since(oldest));
    #[expect(clippy::cast_precision_loss, reason = "so many never wait")]
    gauge!(SPOOL_DEPTH).set(backlog.depth as f64);
    gauge!(SPOOL_AGE).set(age.map_or(0.0, |age| age.as_secs_f64().max(0.0)));
}
