//! Waiting for something to come to Redis, while nothing is asked of it.

use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::{self, Instant};

use super::doorbell::Bell;

/// What a look came to.
#[derive(Debug)]
pub(super) enum Look<T> {
    /// Here it is.
    Found(T),
    /// There is nothing, and without an event there will be nothing for so long.
    Nothing {
        /// From the answer on; none, if only an event can bring something.
        until: Option<Duration>,
    },
}

/// Waits end at the next of these moments, one after so long: those who look for want of an event
/// look together, which costs far less than if each looked by itself.
const TICK: Duration = Duration::from_millis(25);

/// Waits shorter than this end when they end.
const SHORT: Duration = Duration::from_millis(500);

/// Looks, and looks again whenever `bell` rings, time brings something, or nothing was heard for
/// `patience`, until something is found or `wait` is over. It looks once more before it gives up.
/// While the bell is quiet since a look of before, that one counts for the first.
///
/// Cancel safe if `look` is.
pub(super) async fn wait_for<T, E, F>(
    bell: &Bell,
    wait: Duration,
    patience: impl Fn() -> Duration,
    mut look: impl FnMut() -> F,
) -> Result<Option<T>, E>
where
    F: Future<Output = Result<Look<T>, E>>,
{
    const FAR: Duration = Duration::from_hours(24);
    let deadline = Instant::now() + wait.min(FAR);
    loop {
        let ring = bell.notified();
        let mut ring = pin!(ring);
        // From here on no ring is missed, so that nothing can come between the look and the wait.
        ring.as_mut().enable();
        let (begun, rings) = (Instant::now(), bell.rings());
        let quiet = bell.quiet_until().filter(|_| begun < deadline);
        let next = if let Some(next) = quiet {
            next
        } else {
            let until = match look().await? {
                Look::Found(found) => return Ok(Some(found)),
                Look::Nothing { until } => until,
            };
            let next = Instant::now() + until.map_or_else(&patience, |until| until.min(patience()));
            bell.be_quiet(rings, next);
            if begun >= deadline {
                return Ok(None);
            }
            next
        };
        // Rung or over, one looks again.
        let _rung = time::timeout_at(tick(begun, next.min(deadline)), ring).await;
    }
}

/// When a wait ends that began at `begun` and is to last until `end`.
fn tick(begun: Instant, end: Instant) -> Instant {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    if end.saturating_duration_since(begun) < SHORT {
        return end;
    }
    let past = end.saturating_duration_since(*FIRST).as_nanos() % TICK.as_nanos();
    let past = Duration::from_nanos(u64::try_from(past).unwrap_or_default());
    end + TICK.saturating_sub(past)
}
