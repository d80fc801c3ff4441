use std::time::Duration;

use tokio::time::{Instant, Interval, interval};

/// How often it is looked what is due.
const TICK: Duration = Duration::from_millis(5);

/// A steady rate, kept on the average: what was missed is due at the next look.
pub(crate) struct Pace {
    rate: f64,
    began: Instant,
    done: u64,
    tick: Interval,
}

impl Pace {
    /// `rate` a second, from now on.
    pub(crate) fn new(rate: f64) -> Self {
        Self {
            rate,
            began: Instant::now(),
            done: 0,
            tick: interval(TICK),
        }
    }

    /// Waits until something is due, and tells how much.
    pub(crate) async fn due(&mut self) -> u64 {
        loop {
            self.tick.tick().await;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "neither negative nor near 2^64"
            )]
            let by_now = (self.began.elapsed().as_secs_f64() * self.rate) as u64;
            let due = by_now - self.done;
            if due > 0 {
                self.done = by_now;
                return due;
            }
        }
    }
}
