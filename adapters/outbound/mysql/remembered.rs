use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use gateway_core::ports::AuthError;
use moka::future::Cache;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use super::questions::LookupError;

/// Answers that are remembered.
const MAX_KNOWN: u64 = 100_000;

/// Names that are remembered to be nobody's, and for how long: they are asked for at a pace. They
/// take no room from the others, so that whoever tries names drives nobody out.
const UNKNOWN: (u64, Duration) = (10_000, Duration::from_secs(5));

/// The time between two questions of one name of which what was answered is not believed. A worker
/// stops for good when it is refused five times, which takes it no time: it must never be refused
/// for what was so a moment ago.
const PACE: Duration = Duration::from_secs(1);

/// Names that are asked for at that pace, at most, and for how long that is remembered.
const TURNS: (u64, Duration) = (10_000, Duration::from_secs(10));

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
    /// Those who were asked for in spite of what is remembered: one question at a time for each.
    turns: Cache<K, Turn<V>>,
    pace: Duration,
    stale_max: Duration,
}

/// When one was asked for last, and what was told.
type Turn<V> = Arc<Mutex<Option<(Instant, Told<V>)>>>;

enum Told<V> {
    Somebody(V),
    Nobody,
    Failed(Arc<LookupError>),
    /// Whoever asked did not wait for it.
    Nothing,
}

impl<V: Clone> Told<V> {
    fn answer(&self) -> Result<Option<V>, AuthError> {
        match self {
            Self::Somebody(answer) => Ok(Some(answer.clone())),
            Self::Nobody => Ok(None),
            Self::Failed(error) => Err(AuthError::Unavailable(error.clone().into())),
            Self::Nothing => Err(AuthError::Unavailable("nobody waited for an answer".into())),
        }
    }
}

/// What was found.
pub(super) struct Found<V> {
    /// None if there is nobody.
    pub(super) answer: Option<V>,
    /// Whether it was asked for meanwhile; else it was remembered.
    pub(super) current: bool,
}

impl<V> Found<V> {
    fn now(answer: Option<V>) -> Self {
        let current = true;
        Self { answer, current }
    }
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
    /// There was nobody a moment ago.
    Nobody,
}

impl<K, V> Remembered<K, V>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Believes an answer for `fresh`, and for `stale_max` while nobody can be asked.
    pub(super) fn new(fresh: Duration, stale_max: Duration) -> Self {
        let ((max_unknown, unknown), (max_turns, turns)) = (UNKNOWN, TURNS);
        let unknown = Cache::builder()
            .max_capacity(max_unknown)
            .time_to_live(unknown.min(fresh));
        let known = |ttl| Cache::builder().max_capacity(MAX_KNOWN).time_to_live(ttl);
        Self {
            fresh: known(fresh).build(),
            last: known(stale_max.max(fresh)).build(),
            unknown: unknown.build(),
            turns: Cache::builder()
                .max_capacity(max_turns)
                .time_to_idle(turns)
                .build(),
            pace: PACE.min(fresh),
            stale_max,
        }
    }

    /// What was answered before, if anything.
    pub(super) fn recall(&self, key: &K) -> Option<Old<V>> {
        // Whoever has to wait for the cache's own housekeeping knows nothing.
        if let Some(known) = self.fresh.get(key).now_or_never().flatten() {
            return Some(Old::Fresh(known.answer));
        }
        if let Some(known) = self.last.get(key).now_or_never().flatten() {
            return Some(Old::Last(known.answer));
        }
        let unknown = self.unknown.get(key).now_or_never().flatten();
        unknown.map(|()| Old::Nobody)
    }

    /// The answer for `key`, which `ask` finds out if need be. Nobody is told so by what is merely
    /// remembered.
    pub(super) async fn find(
        &self,
        key: K,
        ask: impl Future<Output = Result<V, LookupError>>,
    ) -> Result<Found<V>, AuthError> {
        if self.unknown.get(&key).await.is_some() {
            return self.find_now(key, ask).await.map(Found::now);
        }
        let began = Instant::now();
        match self.fresh.try_get_with(key, self.learn(key, ask)).await {
            Ok(known) => Ok(Found {
                answer: Some(known.answer),
                current: known.asked >= began,
            }),
            Err(error) => self.without_answer(&key, &error).await,
        }
    }

    /// The answer for `key` that `ask` finds out, or another call of this since this one began; none
    /// if there is nobody. Whatever is older counts for nothing, also while nobody can be asked.
    ///
    /// It asks of one key no more often than [`PACE`] has it, and whoever is too early waits.
    pub(super) async fn find_now(
        &self,
        key: K,
        ask: impl Future<Output = Result<V, LookupError>>,
    ) -> Result<Option<V>, AuthError> {
        let began = Instant::now();
        let turn = self.turns.get_with(key, async { Arc::default() }).await;
        let mut turn = turn.lock().await;
        if let Some((asked, told)) = &*turn {
            if *asked >= began {
                return told.answer();
            }
            sleep_until(*asked + self.pace).await;
        }
        let asked = Instant::now();
        // Whoever gives up meanwhile has asked, too.
        *turn = Some((asked, Told::Nothing));
        let told = match self.learn(key, ask).await {
            Ok(known) => {
                self.unknown.invalidate(&key).await;
                self.fresh.insert(key, known.clone()).await;
                Told::Somebody(known.answer)
            }
            Err(LookupError::Nobody) => {
                self.fresh.invalidate(&key).await;
                Told::Nobody
            }
            Err(error) => Told::Failed(Arc::new(error)),
        };
        let answer = told.answer();
        *turn = Some((asked, told));
        answer
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
    ) -> Result<Found<V>, AuthError> {
        if matches!(**error, LookupError::Nobody) {
            return Ok(Found::now(None));
        }
        let last = self.last.get(key).await;
        match last.filter(|known| known.asked.elapsed() <= self.stale_max) {
            Some(known) => Ok(Found {
                answer: Some(known.answer),
                current: false,
            }),
            None => Err(AuthError::Unavailable(error.clone().into())),
        }
    }
}

#[cfg(test)]
mod tests;
