use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::Limits;

use super::Buckets;

/// So many locks there are, so that calls seldom wait for each other.
const SHARDS: usize = 64;

/// After so long, those who have nothing to remember are looked for.
const PERIOD: Duration = Duration::from_mins(1);

/// What workers have spent, of no more of them than there is room for.
pub(super) struct Workers {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// For each shard.
    max: usize,
}

#[derive(Default)]
struct Shard {
    buckets: HashMap<WorkerId, Buckets>,
    /// When it was last gone through, and how many were left then.
    looked: Duration,
    left: usize,
}

impl Workers {
    pub(super) fn new(max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            max: max.div_ceil(SHARDS).max(16),
        }
    }

    /// What `act` makes of what `worker` has spent.
    pub(super) fn with<T>(
        &self,
        worker: &WorkerId,
        limits: &Limits,
        now: Duration,
        act: impl FnOnce(&mut Buckets) -> T,
    ) -> T {
        let mut shard = self.shard(worker);
        if let Some(buckets) = shard.buckets.get_mut(worker) {
            return act(buckets);
        }
        shard.make_room(self.max, limits, now);
        let mut buckets = Buckets::default();
        let outcome = act(&mut buckets);
        shard.buckets.insert(worker.clone(), buckets);
        outcome
    }

    fn shard(&self, worker: &WorkerId) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(worker);
        // The remainder is less than 64.
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sum(HashMap::len)
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.sum(HashMap::capacity)
    }

    #[cfg(test)]
    fn sum(&self, of: impl Fn(&HashMap<WorkerId, Buckets>) -> usize) -> usize {
        let shards = self.shards.iter();
        let each = shards.map(|shard| of(&shard.lock().expect("is not poisoned").buckets));
        each.sum()
    }
}

impl Shard {
    /// Forgets those of whom there is nothing to know, now and then; and where that leaves too
    /// many, those who have spent the least.
    fn make_room(&mut self, max: usize, limits: &Limits, now: Duration) {
        let grown = self.buckets.len() >= (2 * self.left).clamp(16, max);
        if !grown && now.saturating_sub(self.looked) < PERIOD {
            return;
        }
        self.looked = now;
        self.buckets
            .retain(|_, buckets| buckets.spent(limits, now) > 0.0);
        if self.buckets.len() >= max {
            self.halve(limits, now);
        }
        self.left = self.buckets.len();
        self.buckets.shrink_to(2 * self.left);
    }

    fn halve(&mut self, limits: &Limits, now: Duration) {
        let each = self.buckets.values_mut();
        let mut spent: Vec<f64> = each.map(|buckets| buckets.spent(limits, now)).collect();
        let middle = spent.len() / 2;
        let (_, middle, _) = spent.select_nth_unstable_by(middle, f64::total_cmp);
        let middle = *middle;
        // Of those who have spent the same, as many as are too many.
        let mut too_many = self.buckets.len() / 2;
        self.buckets.retain(|_, buckets| {
            let least = too_many > 0 && buckets.spent(limits, now) <= middle;
            too_many -= usize::from(least);
            !least
        });
    }
}
