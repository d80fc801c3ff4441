use std::time::Duration;

use mockall::predicate::eq;

use super::*;
use crate::app::testing::{audited, caller, journal, patient, silent, worker};
use crate::domain::identity::{Secret, Signature};
use crate::domain::limit::Demand;
use crate::ports::{LimitError, MockAuthenticator, MockLimiter};

fn key(text: &str) -> Credential {
    Credential::Key(Secret::new(text))
}

fn presented(credentials: Vec<Credential>, claimed: Option<&str>) -> Presented {
    Presented {
        credentials,
        claimed: claimed.map(worker),
        peer: None,
        request: None,
    }
}

fn access(authenticator: MockAuthenticator, journal: Journal) -> Access {
    Access {
        attempts: Arc::new(patient()),
        authenticator: Arc::new(authenticator),
        limiter: Arc::new(MockLimiter::new()),
        limited: Limited::default(),
        journal,
    }
}

/// Knows one key, `right`, and is out of order for the key `down`.
fn doorman() -> MockAuthenticator {
    let mut authenticator = MockAuthenticator::new();
    authenticator.expect_recall().returning(|_| Recall::Unknown);
    authenticator
        .expect_authenticate()
        .returning(|credential| match credential {
            Credential::Key(secret) if secret.expose() == "right" => Ok(worker("w-1")),
            Credential::Key(secret) if secret.expose() == "down" => {
                Err(AuthError::Unavailable("lost the list".into()))
            }
            Credential::Key(_)
            | Credential::Token(_)
            | Credential::Certificate(_)
            | Credential::Signature(_)
            | Credential::Claim(_) => Err(AuthError::Rejected),
        });
    authenticator
}

#[pollster::test]
async fn the_owner_of_a_valid_key_is_the_caller() {
    let access = access(doorman(), silent());

    let found = access
        .identify(&presented(vec![key("right")], Some("w-1")))
        .await;
    assert_eq!(found.expect("is identified").worker, worker("w-1"));
}

#[pollster::test]
async fn a_valid_key_does_not_cover_for_another_worker() {
    let (journal, events) = journal();
    let access = access(doorman(), journal);

    let refused = access
        .identify(&presented(vec![key("right")], Some("w-2")))
        .await;
    assert!(
        matches!(refused, Err(Error::Impostor { .. })),
        "{refused:?}"
    );
    let claimed = worker("w-2");
    assert_eq!(audited(&events), vec![Action::Impersonated { claimed }]);
}

#[pollster::test]
async fn no_credential_is_a_wrong_one() {
    let (journal, events) = journal();
    let access = access(MockAuthenticator::new(), journal);

    let refused = access.identify(&presented(vec![], None)).await;
    assert!(matches!(refused, Err(Error::Auth(AuthError::Rejected))));
    assert_eq!(audited(&events).len(), 1);
}

#[pollster::test]
async fn the_audit_of_a_wrong_key_does_not_hold_the_key() {
    let (journal, events) = journal();
    let access = access(doorman(), journal);

    let refused = access
        .identify(&presented(vec![key("hunter2")], Some("w-1")))
        .await;
    refused.expect_err("is refused");
    let written = format!("{:?}", events.lock().expect("is not poisoned"));
    assert!(written.contains("api key"), "{written}");
    assert!(!written.contains("hunter2"), "{written}");
}

#[pollster::test]
async fn a_wrong_key_beside_a_right_one_is_let_in_and_written_down() {
    let (journal, events) = journal();
    let access = access(doorman(), journal);

    let credentials = vec![key("wrong"), key("right")];
    let found = access.identify(&presented(credentials, None)).await;
    assert_eq!(found.expect("is identified").worker, worker("w-1"));
    assert_eq!(audited(&events).len(), 1);
}

#[pollster::test]
async fn an_outage_is_never_a_rejection() {
    let access = access(doorman(), silent());

    for credentials in [vec![key("down")], vec![key("down"), key("wrong")]] {
        let refused = access.identify(&presented(credentials, None)).await;
        assert!(
            matches!(refused, Err(Error::Auth(AuthError::Unavailable(_)))),
            "{refused:?}"
        );
    }
}

#[pollster::test]
async fn a_call_over_the_limit_is_not_let_in() {
    let mut limiter = MockLimiter::new();
    limiter
        .expect_admit()
        .with(eq(worker("w-1")), eq(Demand::call(Class::Poll)))
        .once()
        .returning(|_, _| Err(LimitError::Unavailable("away".into())));
    let access = Access {
        limiter: Arc::new(limiter),
        ..access(MockAuthenticator::new(), silent())
    };

    let refused = access.admit(&caller("w-1"), Class::Poll).await;
    assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
}

#[pollster::test]
async fn an_empty_claim_is_a_true_one() {
    let access = access(MockAuthenticator::new(), silent());

    access.check_claim(&caller("w-1"), None).expect("is true");
    access
        .check_claim(&caller("w-1"), Some(&worker("w-1")))
        .expect("is true");
}

#[pollster::test]
async fn one_that_signs_too_much_is_over_its_limit_and_nobodys_failure() {
    let (journal, events) = journal();
    let mut full = MockAuthenticator::new();
    full.expect_recall().returning(|_| Recall::Unknown);
    full.expect_authenticate().returning(|_| {
        Err(AuthError::Exceeded {
            retry_after: Duration::from_secs(1),
        })
    });
    let signature = Credential::Signature(Signature {
        worker: worker("w-1"),
        timestamp: "0".into(),
        nonce: "n".into(),
        mac: Secret::new("mac"),
    });
    let access = access(full, journal);

    for _ in 0..3 {
        let refused = access
            .identify(&presented(vec![signature.clone()], None))
            .await;
        assert!(
            matches!(refused, Err(Error::Auth(AuthError::Exceeded { .. }))),
            "{refused:?}"
        );
    }
    let class = Class::Control;
    assert_eq!(audited(&events), vec![Action::Limited { class }]);
}
