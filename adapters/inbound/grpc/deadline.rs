//! How long a call may take: by the word of its client, and by ours.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, Request};
use tokio::time::{Instant, timeout_at};

const HEADER: &str = "grpc-timeout";

/// The most digits the protocol allows.
const MAX_DIGITS: usize = 8;

/// When a call has taken too long.
pub(super) struct Deadline {
    start: Instant,
    theirs: Option<Duration>,
    ours: Duration,
    allowance: Allowance,
}

/// What a call may take beyond our limit: a poll learns only from its message how long it is to
/// wait.
#[derive(Clone, Default)]
pub(super) struct Allowance(Arc<AtomicU64>);

impl Allowance {
    /// The call may take as much longer.
    pub(super) fn grant(&self, wait: Duration) {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Deadline {
    /// The deadline of a call that begins now, and may take as long as `ours`. It leaves the call
    /// an [`Allowance`].
    pub(super) fn of<B>(request: &mut Request<B>, ours: Duration) -> Self {
        let allowance = Allowance::default();
        request.extensions_mut().insert(allowance.clone());
        Self {
            start: Instant::now(),
            theirs: told(request.headers()),
            ours,
            allowance,
        }
    }

    /// What comes of `call`, unless it takes too long.
    pub(super) async fn limit<T>(self, call: impl Future<Output = T>) -> Option<T> {
        let mut call = pin!(call);
        let mut limit = self.duration();
        loop {
            if let Ok(done) = timeout_at(self.start + limit, call.as_mut()).await {
                return Some(done);
            }
            // It may have been granted more since.
            let granted = self.duration();
            if granted == limit {
                return None;
            }
            limit = granted;
        }
    }

    fn duration(&self) -> Duration {
        let extra = Duration::from_millis(self.allowance.0.load(Ordering::Relaxed));
        let ours = self.ours.saturating_add(extra);
        self.theirs.map_or(ours, |theirs| theirs.min(ours))
    }
}

/// How long its client waits for a call; none if it waits as long as it takes, or says nothing
/// that makes sense.
pub(super) fn told(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_hours(count),
        "M" => Duration::from_mins(count),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const OURS: Duration = Duration::from_secs(30);

    fn call(told: &str) -> Request<()> {
        let request = Request::builder().header(HEADER, told);
        request.body(()).expect("is a request")
    }

    #[test]
    fn every_unit_is_understood() {
        for (value, nanos) in [
            ("1H", 3_600_000_000_000),
            ("1M", 60_000_000_000),
            ("2S", 2_000_000_000),
            ("800m", 800_000_000),
            ("8u", 8_000),
            ("8000n", 8_000),
        ] {
            let understood = told(call(value).headers());
            assert_eq!(understood, Some(Duration::from_nanos(nanos)), "{value}");
        }
    }

    #[test]
    fn nonsense_is_no_deadline() {
        for value in ["", "S", "5", "-1S", "1.5S", "123456789S", "5s", "٣S"] {
            assert_eq!(told(call(value).headers()), None, "{value}");
        }
        assert_eq!(told(&HeaderMap::new()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_shorter_of_both_counts() {
        for (theirs, seconds) in [("5S", 5), ("99999999H", 30)] {
            let start = Instant::now();
            let deadline = Deadline::of(&mut call(theirs), OURS);

            assert_eq!(deadline.limit(pending::<()>()).await, None);
            assert_eq!(start.elapsed().as_secs(), seconds, "{theirs}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_gets_its_wait_besides_ours_but_not_besides_theirs() {
        for (theirs, seconds) in [("3M", 90), ("40S", 40)] {
            let start = Instant::now();
            let mut call = call(theirs);
            let deadline = Deadline::of(&mut call, OURS);
            let allowance = call.extensions().get::<Allowance>().expect("has one");
            allowance.grant(Duration::from_mins(1));

            assert_eq!(deadline.limit(pending::<()>()).await, None);
            assert_eq!(start.elapsed().as_secs(), seconds, "{theirs}");
        }
    }
}
