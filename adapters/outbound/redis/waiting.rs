//! Waiting for something to come to Redis, while nothing is asked of it.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, Instant};

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

/// Looks, and looks again whenever `bell` rings, time brings something, or nothing was heard for
/// `patience`, until something is found or `wait` is over. It looks once more before it gives up.
///
/// Cancel safe if `look` is.
pub(super) async fn wait_for<T, E, F>(
    bell: &Notify,
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
        let begun = Instant::now();
        let until = match look().await? {
            Look::Found(found) => return Ok(Some(found)),
            Look::Nothing { until } => until,
        };
        if begun >= deadline {
            return Ok(None);
        }
        let next = Instant::now() + until.map_or_else(&patience, |until| until.min(patience()));
        // Rung or over, one looks again.
        let _rung = time::timeout_at(next.min(deadline), ring).await;
    }
}
