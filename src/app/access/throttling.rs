//! What failures cost, and whom.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::app::testing::{audited, journal, worker};
use crate::domain::identity::Secret;
use crate::ports::{Attempt, MockAttempts, MockAuthenticator, MockLimiter};

const SPENT: Throttled = Throttled {
    retry_after: Duration::from_secs(6),
    full_after: Duration::from_mins(1),
    newly: true,
};

fn presented(keys: &[&str]) -> Presented {
    Presented {
        credentials: keys
            .iter()
            .map(|key| Credential::Key(Secret::new(*key)))
            .collect(),
        ..Presented::default()
    }
}

/// Remembers `good`, knows that `was good` was so, and that `right again` and `refused` were not, and tells of `right` if it is asked.
fn doorman() -> MockAuthenticator {
    let text = |credential: &Credential| match credential {
        Credential::Key(secret) => secret.expose().to_owned(),
        Credential::Token(_)
        | Credential::Certificate(_)
        | Credential::Signature(_)
        | Credential::Claim(_) => String::new(),
    };
    let mut authenticator = MockAuthenticator::new();
    authenticator
        .expect_recall()
        .returning(move |credential| match text(credential).as_str() {
            "good" => Recall::Good(worker("w-1")),
            "was good" => Recall::Genuine,
            "refused" | "right again" => Recall::Refused,
            _ => Recall::Unknown,
        });
    authenticator
        .expect_authenticate()
        .returning(move |credential| match text(credential).as_str() {
            "right" | "right again" => Ok(worker("w-2")),
            "down" => Err(AuthError::Unavailable("lost the list".into())),
            _ => Err(AuthError::Rejected),
        });
    authenticator
}

fn access(attempts: MockAttempts, authenticator: MockAuthenticator, journal: Journal) -> Access {
    Access {
        limited: Limited::default(),
        attempts: Arc::new(attempts),
        authenticator: Arc::new(authenticator),
        limiter: Arc::new(MockLimiter::new()),
        journal,
    }
}

/// How the attempts ended: whether each has failed.
type Ends = Arc<Mutex<Vec<bool>>>;

fn counted() -> (MockAttempts, Ends) {
    let ends = Ends::default();
    let (begun, failed) = (ends.clone(), ends.clone());
    let mut attempts = MockAttempts::new();
    attempts.expect_begin().returning(move |_| {
        let ends = begun.clone();
        let end = move |failed| ends.lock().expect("is not poisoned").push(failed);
        Ok(Attempt::new(end))
    });
    attempts.expect_fail().returning(move |_| {
        failed.lock().expect("is not poisoned").push(true);
        Ok(())
    });
    attempts.expect_say_nothing().returning(|_| Ok(()));
    (attempts, ends)
}

fn spent() -> MockAttempts {
    let mut attempts = MockAttempts::new();
    attempts.expect_begin().returning(|_| Err(SPENT));
    attempts.expect_fail().returning(|_| Err(SPENT));
    attempts.expect_say_nothing().returning(|_| Err(SPENT));
    attempts
}

#[pollster::test]
async fn only_a_rejection_costs_something() {
    for (keys, cost) in [
        (&["good"][..], &[][..]),
        (&["right"], &[false]),
        (&["down"], &[false]),
        (&["wrong"], &[true]),
        (&["wrong", "wrong"], &[true, true]),
        (&["wrong", "down"], &[true]),
        (&["was good"], &[true]),
        // Whoever is somebody does not guess, and whoever says nothing does not either.
        (&["wrong", "right"], &[false]),
        (&["wrong", "good"], &[false]),
        (&["refused", "good"], &[]),
        (&["refused", "right"], &[false]),
        (&["refused"], &[true]),
        (&[], &[]),
    ] {
        let (attempts, ends) = counted();
        let access = access(attempts, doorman(), journal().0);
        let _told = access.identify(&presented(keys)).await;
        assert_eq!(*ends.lock().expect("is not poisoned"), cost, "{keys:?}");
    }
}

/// T34
#[pollster::test]
async fn a_call_is_written_down_once_however_much_of_it_is_wrong() {
    for (last, comes_in) in [("wrong", false), ("down", false), ("right", true)] {
        let (journal, events) = journal();
        let access = access(counted().0, doorman(), journal);
        let mut presented = presented(&["wrong", "wrong", last]);
        presented.credentials[1] = Credential::Token(Secret::new("wrong"));

        let found = access.identify(&presented).await;
        assert_eq!(found.is_ok(), comes_in, "{last}: {found:?}");
        let mut kinds = vec!["api key", "token"];
        kinds.extend((last == "wrong").then_some("api key"));
        let rejected = Action::Rejected {
            credentials: kinds,
            claimed: None,
        };
        assert_eq!(audited(&events), vec![rejected], "{last}");
    }
}

/// T13: whoever has failed too often is told so, is not looked up, and is never rejected.
#[pollster::test]
async fn whoever_has_failed_too_often_is_not_looked_up() {
    for keys in [&["right"][..], &["wrong"], &["wrong", "right"], &[]] {
        let (journal, events) = journal();
        let mut asked = MockAuthenticator::new();
        asked.expect_recall().returning(|_| Recall::Unknown);
        asked.expect_authenticate().never();
        let access = access(spent(), asked, journal);

        let refused = access.identify(&presented(keys)).await;
        assert!(
            matches!(refused, Err(Error::Throttled(_))),
            "{keys:?}: {refused:?}"
        );
        assert!(audited(&events).contains(&Action::Throttled));
    }
}

#[pollster::test]
async fn what_is_known_to_be_good_is_let_in_whoever_fails_beside_it() {
    let access = access(spent(), doorman(), journal().0);

    for keys in [&["good"][..], &["wrong", "good"]] {
        let found = access.identify(&presented(keys)).await;
        assert_eq!(found.expect("is known").worker, worker("w-1"), "{keys:?}");
    }
}

/// The order of the ways decides who somebody is, also where a later one is known to be good.
#[pollster::test]
async fn what_comes_first_is_looked_at_first() {
    for (keys, owner) in [
        (&["right", "good"][..], "w-2"),
        (&["wrong", "good"], "w-1"),
        (&["down", "good"], "w-1"),
        // What was nobody's a moment ago is asked for again where all depends on it.
        (&["right again", "good"], "w-1"),
        (&["right again", "wrong"], "w-2"),
        (&["right again"], "w-2"),
    ] {
        let (journal, events) = journal();
        let access = access(counted().0, doorman(), journal);
        let found = access.identify(&presented(keys)).await;
        assert_eq!(found.expect("is known").worker, worker(owner), "{keys:?}");
        let noted = audited(&events).len();
        let wrong = matches!(keys, ["wrong" | "right again", "good"] | [_, "wrong"]);
        assert_eq!(noted, usize::from(wrong), "{keys:?}");
    }
}

/// Others from there have all leave there is, and nobody who is known waits for that.
#[test]
fn who_is_known_does_not_wait_for_others() {
    let access = Access {
        attempts: Arc::new(Busy),
        ..access(spent(), doorman(), journal().0)
    };

    let presented = presented(&["wrong", "good"]);
    let mut found = Box::pin(access.identify(&presented));
    let told = found.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(
        matches!(&told, Poll::Ready(Ok(caller)) if caller.worker == worker("w-1")),
        "{told:?}"
    );
}

/// Has no leave left, and makes everybody wait for it.
struct Busy;

#[async_trait::async_trait]
impl Attempts for Busy {
    async fn begin(&self, _: Option<IpAddr>) -> Result<Attempt, Throttled> {
        std::future::pending().await
    }

    fn fail(&self, _: Option<IpAddr>) -> Result<(), Throttled> {
        Ok(())
    }

    fn say_nothing(&self, _: Option<IpAddr>) -> Result<(), Throttled> {
        Ok(())
    }
}

/// T34: whoever sends again what it has heard, or has a certificate of ours and no more, is let
/// fail no more often than others, however little it is a guess.
#[pollster::test]
async fn what_is_no_guess_is_rejected_no_more_often_than_a_guess() {
    let (journal, events) = journal();
    let access = access(spent(), doorman(), journal);

    let refused = access.identify(&presented(&["was good"])).await;
    assert!(matches!(refused, Err(Error::Throttled(_))), "{refused:?}");
    assert_eq!(audited(&events), vec![Action::Throttled]);
}
