use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::{self, AuthError, Room, Spent};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::guarded::Guarded;

/// Nonces that are remembered before each worker has to keep to its share of them. They take 60
/// bytes each. However many workers there are, there are never more than twice as many.
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
    ends: VecDeque<(Instant, Arc<WorkerId>, Print)>,
    /// How many there are of each worker.
    counts: HashMap<Arc<WorkerId>, usize>,
}

/// Enough of a hash to tell one from another.
type Print = [u8; 16];

#[async_trait]
impl ports::Nonces for Nonces {
    fn recalls(&self, worker: &WorkerId, nonce: &str) -> bool {
        self.seen.lock().prints.contains(&print(worker, nonce))
    }

    async fn spend(&self, worker: &WorkerId, nonce: &str, room: Room) -> Result<Spent, AuthError> {
        let print = print(worker, nonce);
        Ok(self.seen.lock().spend(worker, print, room, MAX))
    }
}

impl Seen {
    fn spend(&mut self, worker: &WorkerId, print: Print, room: Room, max: usize) -> Spent {
        let now = Instant::now();
        self.forget(now);
        if self.prints.contains(&print) {
            return Spent::Again;
        }
        let known = self.counts.get_key_value(worker);
        let (worker, count) = match known {
            Some((worker, count)) => (worker.clone(), *count),
            None => (Arc::new(worker.clone()), 0),
        };
        let share = max / self.counts.len().max(1);
        let crowded = self.ends.len() >= max && count >= share;
        if count >= room.most as usize || crowded {
            return Spent::Full;
        }
        self.prints.insert(print);
        *self.counts.entry(worker.clone()).or_default() += 1;
        self.ends.push_back((now + room.keep, worker, print));
        Spent::First
    }

    fn forget(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|(end, ..)| *end <= now) {
            let Some((_, worker, print)) = self.ends.pop_front() else {
                return;
            };
            self.prints.remove(&print);
            let left = self.counts.get_mut(&worker).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                self.counts.remove(&worker);
            }
        }
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
    use std::time::Duration;

    use super::*;

    const ROOM: Room = Room {
        keep: Duration::from_mins(10),
        most: 1000,
    };

    fn worker(name: &str) -> WorkerId {
        WorkerId::parse(name).expect("is an identifier")
    }

    /// Uses as many nonces as there is room for; how many those were.
    fn fill(seen: &mut Seen, name: &str, max: usize) -> usize {
        let uses = (0..).map(|number| {
            let print = print(&worker(name), &format!("{number}"));
            seen.spend(&worker(name), print, ROOM, max)
        });
        uses.take_while(|spent| *spent == Spent::First).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_hog_leaves_the_others_their_share() {
        let mut seen = Seen::default();
        for hog in ["a", "b"] {
            fill(&mut seen, hog, 100);
        }
        assert_eq!(fill(&mut seen, "c", 100), 33);
        assert_eq!(fill(&mut seen, "a", 100), 0);
        assert!(seen.ends.len() < 200);
    }

    #[tokio::test(start_paused = true)]
    async fn time_makes_room_and_nothing_is_left_of_what_is_over() {
        let mut seen = Seen::default();
        assert_eq!(fill(&mut seen, "a", 10_000), ROOM.most as usize);
        tokio::time::advance(ROOM.keep).await;
        let first = seen.spend(&worker("b"), [0; 16], ROOM, 10_000);
        assert_eq!(first, Spent::First);
        let left = (seen.prints.len(), seen.ends.len(), seen.counts.len());
        assert_eq!(left, (1, 1, 1));
    }
}
