//! Feeling the pulse of `MySQL`, so that one knows that it is away before calls find out.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tracing::{error, info};

use super::connector::{Connector, Session};
use super::{Inner, LinkError};

/// How often it is felt.
const PERIOD: Duration = Duration::from_millis(500);

const NOT_YET: &str = "not connected yet";

/// What is known of the server.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Why it is away, if it is.
    away: watch::Sender<Option<String>>,
    hurry: Notify,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            away: watch::Sender::new(Some(NOT_YET.to_owned())),
            hurry: Notify::new(),
        }
    }
}

impl Pulse {
    /// Why it is away, if it is, and whatever changes of it.
    pub(super) fn away(&self) -> watch::Receiver<Option<String>> {
        self.away.subscribe()
    }

    /// Whether it is.
    pub(super) fn is_away(&self) -> bool {
        self.away.borrow().is_some()
    }

    /// Has the pulse felt now.
    pub(super) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Lets everybody know, and the log once.
    fn tell(&self, reason: Option<String>) {
        let known = self.away.borrow().clone();
        match (known.as_deref(), &reason) {
            (None, Some(reason)) => error!(reason, "MySQL is away"),
            (Some(NOT_YET), Some(reason)) => {
                error!(reason, "MySQL is away; the gateway goes on trying");
            }
            (Some(_), None) => info!("MySQL answers"),
            (None, None) => return,
            (Some(_), Some(_)) => {}
        }
        self.away.send_replace(reason);
    }
}

/// Feels it for as long as anybody holds the link.
pub(super) fn spawn(link: &Arc<Inner>) {
    let link = Arc::downgrade(link);
    tokio::spawn(async move {
        let mut session = None;
        while let Some((connector, pulse)) = parts(&link) {
            let felt = beat(&connector, &mut session).await;
            pulse.tell(felt.err().map(|error| reason(&error)));
            // No matter which of the two it was.
            let _hurried = timeout(PERIOD, pulse.hurry.notified()).await;
        }
    });
}

fn parts(link: &Weak<Inner>) -> Option<(Connector, Arc<Pulse>)> {
    let link = link.upgrade()?;
    Some((link.connector.clone(), link.pulse.clone()))
}

/// Asks the session for a sign of life; if it has none, a new one is begun.
async fn beat(connector: &Connector, session: &mut Option<Session>) -> Result<(), LinkError> {
    if let Some(mut old) = session.take() {
        match old.ping().await {
            Ok(()) => {
                *session = Some(old);
                return Ok(());
            }
            // Whoever is silent would be so for another session, too.
            Err(overdue @ LinkError::Overdue(_)) => return Err(overdue),
            // It was cut, which says nothing of the others.
            Err(_) => {}
        }
    }
    *session = Some(connector.session().await?);
    Ok(())
}

/// What an operator needs to hear, without the library's wrapping.
fn reason(error: &LinkError) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
