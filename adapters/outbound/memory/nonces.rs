use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::{self, AuthError};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::guarded::Guarded;

/// Nonces that are remembered, at most. They take 50 bytes each.
const MAX: usize = 1_000_000;

/// What was used once, in this process alone.
///
/// Nothing is forgotten before its time: what there is no room for is refused.
#[derive(Default)]
pub struct Nonces {
    seen: Guarded<Seen>,
}

#[derive(Default)]
struct Seen {
    prints: HashSet<Print>,
    /// By their ends, as far as all are kept for as long.
    ends: VecDeque<(Instant, Print)>,
}

/// Enough of a hash to tell one from another.
type Print = [u8; 16];

#[async_trait]
impl ports::Nonces for Nonces {
    async fn first(
        &self,
        worker: &WorkerId,
        nonce: &str,
        keep: Duration,
    ) -> Result<bool, AuthError> {
        self.seen.lock().note(print(worker, nonce), keep, MAX)
    }
}

impl Seen {
    fn note(&mut self, print: Print, keep: Duration, max: usize) -> Result<bool, AuthError> {
        let now = Instant::now();
        while let Some((_, over)) = self.ends.front().filter(|(end, _)| *end <= now) {
            self.prints.remove(over);
            self.ends.pop_front();
        }
        if self.prints.contains(&print) {
            return Ok(false);
        }
        if self.ends.len() >= max {
            return Err(AuthError::Unavailable("too many nonces at once".into()));
        }
        self.prints.insert(print);
        self.ends.push_back((now + keep, print));
        Ok(true)
    }
}

/// An identifier has no colon.
fn print(worker: &WorkerId, nonce: &str) -> Print {
    let hash = Sha256::digest(format!("{worker}:{nonce}"));
    let mut print = Print::default();
    print.copy_from_slice(&hash[..16]);
    print
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_mins(10);

    #[tokio::test(start_paused = true)]
    async fn what_has_no_room_is_refused_and_time_makes_some() {
        let mut seen = Seen::default();
        for number in 0..3 {
            assert!(seen.note([number; 16], KEEP, 3).expect("has room"));
        }
        let refused = seen.note([3; 16], KEEP, 3);
        assert!(matches!(refused, Err(AuthError::Unavailable(_))));
        assert!(!seen.note([0; 16], KEEP, 3).expect("is known"));

        tokio::time::advance(KEEP).await;
        assert!(seen.note([3; 16], KEEP, 3).expect("has room"));
        assert_eq!((seen.prints.len(), seen.ends.len()), (1, 1));
    }
}
