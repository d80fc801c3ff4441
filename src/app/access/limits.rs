use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Access;
use crate::app::Error;
use crate::domain::audit::Action;
use crate::domain::id::WorkerId;
use crate::domain::identity::Caller;
use crate::domain::limit::{Class, Demand};
use crate::domain::time::Timestamp;
use crate::ports::LimitError;

/// For so long it is enough to have said once that a worker asks too much.
const QUIET: Duration = Duration::from_mins(1);

/// Workers of which that was said lately, at most. If there are more, the rest is not written down.
const MAX_NOTED: usize = 10_000;

impl Access {
    /// Takes one call of `caller` from what it may make of its class.
    pub async fn admit(&self, caller: &Caller, class: Class) -> Result<(), Error> {
        self.demand(caller, Demand::call(class)).await
    }

    /// Takes the bytes of a call from what `caller` may send, once they have been read.
    pub async fn charge(&self, caller: &Caller, class: Class, bytes: u64) -> Result<(), Error> {
        self.demand(caller, Demand::bytes(class, bytes)).await
    }

    async fn demand(&self, caller: &Caller, demand: Demand) -> Result<(), Error> {
        let admitted = self.limiter.admit(&caller.worker, demand).await;
        if let Err(LimitError::Exceeded { .. }) = &admitted {
            self.note_limited(caller, demand.class);
        }
        Ok(admitted?)
    }

    /// Takes down that `caller` asked too much, unless that was done less than a minute ago.
    pub fn note_limited(&self, caller: &Caller, class: Class) {
        if self
            .limited
            .is_news(&caller.worker, self.journal.clock.now())
        {
            self.journal.note(caller, Action::Limited { class });
        }
    }
}

/// Of whom it was said lately that they ask too much.
#[derive(Default)]
pub(in crate::app) struct Limited(Mutex<HashMap<WorkerId, Timestamp>>);

impl Limited {
    fn is_news(&self, worker: &WorkerId, now: Timestamp) -> bool {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes it news, too.
        let lately = |at: &Timestamp| {
            let since = Duration::try_from(now.duration_since(*at));
            since.is_ok_and(|since| since < QUIET)
        };
        if noted.get(worker).is_some_and(lately) {
            return false;
        }
        if noted.len() >= MAX_NOTED {
            noted.retain(|_, at| lately(at));
            if noted.len() >= MAX_NOTED {
                return false;
            }
        }
        noted.insert(worker.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::Journal;
    use crate::app::testing::{audited, caller, journal, patient, worker};
    use crate::ports::{MockAuthenticator, MockLimiter};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("is a time")
    }

    #[pollster::test]
    async fn a_limit_is_written_down_once_a_minute() {
        let (journal, events) = journal();
        let mut limiter = MockLimiter::new();
        limiter.expect_admit().returning(|_, _| {
            Err(LimitError::Exceeded {
                retry_after: Duration::from_secs(1),
                full_after: Duration::from_secs(1),
            })
        });
        let access = access(limiter, journal);

        for class in [Class::Log, Class::Control, Class::Log] {
            let refused = access.admit(&caller("w-1"), class).await;
            assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
        }
        let refused = access.charge(&caller("w-2"), Class::Log, 7).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
        let trip = Action::Limited { class: Class::Log };
        assert_eq!(audited(&events), vec![trip.clone(), trip]);
    }

    #[pollster::test]
    async fn a_count_that_is_out_of_reach_is_no_trip() {
        let (journal, events) = journal();
        let mut limiter = MockLimiter::new();
        let away = |_: &WorkerId, _| Err(LimitError::Unavailable("away".into()));
        limiter.expect_admit().returning(away);

        let access = access(limiter, journal);
        let refused = access.admit(&caller("w-1"), Class::Poll).await;
        refused.expect_err("is refused");
        assert_eq!(audited(&events), vec![]);
    }

    #[test]
    fn after_a_minute_it_is_news_again_and_so_it_is_by_a_clock_that_was_set_back() {
        let (limited, w) = (Limited::default(), worker("w-1"));
        for (second, news) in [(0, true), (59, false), (60, true), (10, true), (11, false)] {
            assert_eq!(limited.is_news(&w, at(second)), news, "{second}");
        }
    }

    /// T28: what is remembered of those who ask too much is bounded.
    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let limited = Limited::default();
        for number in 0..2 * MAX_NOTED {
            let news = limited.is_news(&worker(&format!("w-{number}")), at(0));
            assert_eq!(news, number < MAX_NOTED);
        }
        assert!(limited.is_news(&worker("late"), at(60)));
        assert_eq!(limited.0.lock().expect("is not poisoned").len(), 1);
    }

    fn access(limiter: MockLimiter, journal: Journal) -> Access {
        Access {
            attempts: Arc::new(patient()),
            authenticator: Arc::new(MockAuthenticator::new()),
            limiter: Arc::new(limiter),
            limited: Limited::default(),
            journal,
        }
    }
}
