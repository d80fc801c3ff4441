use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use gateway_core::ports::AuthError;
use moka::future::Cache;
use tokio::time::Instant;

use super::questions::LookupError;

/// Answers that are remembered.
const MAX_KNOWN: u64 = 100_000;

/// Names that are remembered to be nobody's, and for how long. They take no room from the others,
/// so that whoever tries names drives nobody out.
const UNKNOWN: (u64, Duration) = (10_000, Duration::from_secs(5));

/// Answers of `MySQL`.
///
/// Callers who ask for the same at once share one question. While `MySQL` cannot be asked, old
/// answers count, and where there is none, it cannot be told.
pub(super) struct Remembered<K, V> {
    /// Answers that count without a question.
    fresh: Cache<K, Known<V>>,
    /// Answers that count while nobody can be asked.
    last: Cache<K, Known<V>>,
    /// Those of whom there is nothing.
    unknown: Cache<K, ()>,
    stale_max: Duration,
}

#[derive(Clone)]
struct Known<V> {
    answer: V,
    /// When it was asked for.
    asked: Instant,
}

/// An answer that was given before.
pub(super) enum Old<V> {
    /// It counts as it is.
    Fresh(V),
    /// It counts while nobody can be asked.
    Last(V),
}

impl<K, V> Remembered<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Believes an answer for `fresh`, and for `stale_max` while nobody can be asked.
    pub(super) fn new(fresh: Duration, stale_max: Duration) -> Self {
        let (max_unknown, unknown) = UNKNOWN;
        let unknown = Cache::builder()
            .max_capacity(max_unknown)
            .time_to_live(unknown.min(fresh));
        let known = |ttl| Cache::builder().max_capacity(MAX_KNOWN).time_to_live(ttl);
        Self {
            fresh: known(fresh).build(),
            last: known(stale_max.max(fresh)).build(),
            unknown: unknown.build(),
            stale_max,
        }
    }

    /// What was answered before, if anything.
    pub(super) fn recall(&self, key: &K) -> Option<Old<V>> {
        // Whoever has to wait for the cache's own housekeeping knows nothing.
        if let Some(known) = self.fresh.get(key).now_or_never().flatten() {
            return Some(Old::Fresh(known.answer));
        }
        let last = self.last.get(key).now_or_never().flatten();
        last.map(|known| Old::Last(known.answer))
    }

    /// The answer for `key`, which `ask` finds out if need be; none if there is nobody.
    pub(super) async fn find(
        &self,
        key: K,
        ask: impl Future<Output = Result<V, LookupError>>,
    ) -> Result<Option<V>, AuthError> {
        if self.unknown.get(&key).await.is_some() {
            return Ok(None);
        }
        match self.fresh.try_get_with(key, self.learn(key, ask)).await {
            Ok(known) => Ok(Some(known.answer)),
            Err(error) => self.without_answer(&key, &error).await,
        }
    }

    async fn learn(
        &self,
        key: K,
        ask: impl Future<Output = Result<V, LookupError>>,
    ) -> Result<Known<V>, LookupError> {
        let asked = Instant::now();
        match ask.await {
            Ok(answer) => {
                let known = Known { answer, asked };
                self.last.insert(key, known.clone()).await;
                Ok(known)
            }
            Err(LookupError::Nobody) => {
                self.last.invalidate(&key).await;
                self.unknown.insert(key, ()).await;
                Err(LookupError::Nobody)
            }
            Err(error) => Err(error),
        }
    }

    /// What is known of somebody who was not found, or could not be looked for.
    async fn without_answer(
        &self,
        key: &K,
        error: &Arc<LookupError>,
    ) -> Result<Option<V>, AuthError> {
        if matches!(**error, LookupError::Nobody) {
            return Ok(None);
        }
        let last = self.last.get(key).await;
        match last.filter(|known| known.asked.elapsed() <= self.stale_max) {
            Some(known) => Ok(Some(known.answer)),
            None => Err(AuthError::Unavailable(error.clone().into())),
        }
    }
}
