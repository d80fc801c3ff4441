//! What is looked at when somebody asks for the metrics, rather than counted as it happens.

use std::sync::Arc;

use gateway_adapters::host::metrics::Metrics;
use gateway_adapters::inbound::admin;
use gateway_adapters::metrics::{BACKEND_UP, POOL, SPOOL_AGE, SPOOL_DEPTH};
use gateway_core::ports::{Backlog, Clock};
use metrics::gauge;
use tokio::sync::watch;

use super::remote::Away;

/// What is looked at.
pub(super) struct Looks {
    pub(super) backends: Vec<Seen>,
    /// How many results wait for the database, where they can.
    pub(super) backlog: Option<watch::Receiver<Backlog>>,
}

/// A backend, as the metrics have it.
pub(super) struct Seen {
    pub(super) name: &'static str,
    pub(super) away: Away,
    /// How many connections there are to it, by what they do.
    pub(super) connections: Box<dyn Fn() -> Vec<(&'static str, u32)> + Send + Sync>,
}

/// All that is told when somebody asks: what was counted, and how things are.
pub(super) fn metrics(counted: Metrics, looks: Looks, clock: Arc<dyn Clock>) -> admin::Metrics {
    Arc::new(move || {
        looks.backends.iter().for_each(Seen::look);
        if let Some(backlog) = &looks.backlog {
            look(&backlog.borrow(), &*clock);
        }
        counted.render()
    })
}

impl Seen {
    fn look(&self) {
        let up = self.away.borrow().is_none();
        gauge!(BACKEND_UP, "backend" => self.name).set(f64::from(u8::from(up)));
        for (state, count) in (self.connections)() {
            gauge!(POOL, "backend" => self.name, "state" => state).set(count);
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
