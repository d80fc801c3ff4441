use std::time::Duration;

use tokio::time::Instant;

/// For how long a call counts, at the least; at the most it is twice that.
const SPAN: Duration = Duration::from_secs(5);

/// How many bad calls it takes.
const MANY: u32 = 10;

/// The calls of late.
pub(super) struct Window {
    now: Sums,
    before: Sums,
    since: Instant,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    calls: u32,
    bad: u32,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            now: Sums::default(),
            before: Sums::default(),
            since: Instant::now(),
        }
    }

    /// Counts a call; whether it is enough: many were bad, and at least every second one.
    pub(super) fn count(&mut self, bad: bool) -> bool {
        let age = self.since.elapsed();
        if age >= SPAN {
            let now = std::mem::take(&mut self.now);
            self.before = if age < 2 * SPAN { now } else { Sums::default() };
            self.since = Instant::now();
        }
        self.now.calls = self.now.calls.saturating_add(1);
        self.now.bad = self.now.bad.saturating_add(u32::from(bad));
        let (bad, calls) = self.sums();
        bad >= MANY && bad.saturating_mul(2) >= calls
    }

    /// Bad calls, and all.
    pub(super) fn sums(&self) -> (u32, u32) {
        (
            self.now.bad.saturating_add(self.before.bad),
            self.now.calls.saturating_add(self.before.calls),
        )
    }
}
