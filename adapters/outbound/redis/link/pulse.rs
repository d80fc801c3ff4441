//! Feeling the pulse of Redis, so that one knows that it is away before calls find out.

use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::{ClientLike, EventInterface as _};
use futures::future;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tracing::{error, info, warn};

use super::{Link, LinkError, options};

/// How often it is felt: on every connection while all is well, on one until it is well again.
const PERIOD: Duration = Duration::from_millis(500);

/// How long the first connection may take until Redis counts as away.
const FIRST: Duration = Duration::from_millis(1500);

/// After how many misses a connection that seems alive is made anew.
const MISSES: u32 = 4;

/// Feels the pulse for as long as anybody holds the link.
pub(super) fn spawn(link: &Link) {
    let inner = std::sync::Arc::downgrade(&link.0);
    let size = link.0.pool.clients().len();
    let first = link.0.pool.next().clone();
    tokio::spawn(async move {
        let mut misses = vec![Misses::default(); size];
        let mut errors = first.error_rx();
        // Those who are about to connect are not called away.
        let _connected = timeout(FIRST, first.wait_for_connect()).await;
        drop(first);
        let mut trouble = None;
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(inner) = inner.upgrade() else {
                return;
            };
            let link = Link(inner);
            while let Ok((error, _)) = errors.try_recv() {
                trouble = Some(error.to_string());
            }
            let reason = beat(&link, &mut misses).await;
            if reason.is_none() {
                trouble = None;
            }
            // What befell the connection tells more than that there is none.
            tell(
                &link,
                reason.map(|reason| trouble.clone().unwrap_or(reason)),
            );
        }
    });
}

/// For how many beats a connection has not answered, being all the while in one state.
#[derive(Clone, Copy, Default)]
struct Misses {
    connected: bool,
    count: u32,
}

impl Misses {
    /// One more, of a connection that was `connected` or not before the beat. One that has only just
    /// come back has missed nothing yet.
    fn add(&mut self, connected: bool) {
        let before = if self.connected == connected {
            self.count
        } else {
            0
        };
        *self = Self {
            connected,
            count: before + 1,
        };
    }
}

/// Why no connection answers, if none does.
async fn beat(link: &Link, misses: &mut [Misses]) -> Option<String> {
    let clients = link.0.pool.clients();
    let connected: Vec<_> = clients.iter().map(ClientLike::is_connected).collect();
    let answers = clients.iter().map(|client| ping(link, client));
    let answers = future::join_all(answers).await;
    let alive = answers.iter().any(Result::is_ok);
    let mut reason = None;
    let each = answers.into_iter().zip(clients).zip(connected).zip(misses);
    for (((answer, client), connected), misses) in each {
        match answer {
            Ok(()) => *misses = Misses::default(),
            Err(error) => {
                misses.add(connected);
                if misses.count == MISSES {
                    *misses = Misses::default();
                    // If Redis is away, that was said once; and what is about to connect, as after that,
                    // gives no answer yet.
                    if alive && connected {
                        warn!(%error, "a connection to Redis gives no answer and is made anew");
                    }
                    // It is made anew in its own time; failing to begin changes nothing.
                    let _begun = timeout(PERIOD, client.force_reconnection()).await;
                }
                reason = Some(error.to_string());
            }
        }
    }
    reason.filter(|_| !alive)
}

/// Lets everybody know, and the log once.
fn tell(link: &Link, reason: Option<String>) {
    let known = link.0.away.borrow().clone();
    match (&known, &reason) {
        (None, Some(reason)) => error!(reason, "Redis is away"),
        (Some(_), None) => info!("Redis answers"),
        (Some(before), Some(now)) if before == NOT_YET => {
            error!(reason = now, "Redis is away; the gateway goes on trying");
        }
        (None, None) => return,
        (Some(_), Some(_)) => {}
    }
    link.0.away.send_replace(reason);
}

const NOT_YET: &str = "not connected yet";

async fn ping(link: &Link, client: &Client) -> Result<(), LinkError> {
    let patience = link.0.timeout;
    let deadline = Instant::now() + patience;
    let ping = client.with_options(&options(deadline));
    match timeout_at(deadline, ping.ping::<fred::types::Value>(None)).await {
        Ok(answer) => Ok(answer.map(drop)?),
        Err(_) => Err(LinkError::Overdue(patience)),
    }
}
