use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Credential;
use gateway_core::ports::{AuthError, Authenticator, Recall};
use metrics::{Counter, counter};

use crate::metrics::AUTHENTICATIONS;

/// Who knows of each kind of credential; where nobody does, it is rejected.
#[derive(Clone, Default)]
pub struct Ways {
    /// API keys.
    pub keys: Option<Arc<dyn Authenticator>>,
    /// Bearer tokens.
    pub tokens: Option<Arc<dyn Authenticator>>,
    /// Client certificates.
    pub certificates: Option<Arc<dyn Authenticator>>,
    /// Signatures.
    pub signatures: Option<Arc<dyn Authenticator>>,
}

/// Asks, for each kind of credential, whoever knows of that kind, and counts what becomes of it.
pub struct ByKind {
    keys: Way,
    tokens: Way,
    certificates: Way,
    signatures: Way,
}

impl ByKind {
    /// Asks those in `ways`.
    pub fn new(ways: Ways) -> Self {
        Self {
            keys: Way::new(ways.keys),
            tokens: Way::new(ways.tokens),
            certificates: Way::new(ways.certificates),
            signatures: Way::new(ways.signatures),
        }
    }

    fn of(&self, credential: &Credential) -> Option<&Way> {
        match credential {
            Credential::Key(_) => Some(&self.keys),
            Credential::Token(_) => Some(&self.tokens),
            Credential::Certificate(_) => Some(&self.certificates),
            Credential::Signature(_) => Some(&self.signatures),
            // Nobody is believed here.
            Credential::Claim(_) => None,
        }
    }
}

#[async_trait]
impl Authenticator for ByKind {
    fn recall(&self, credential: &Credential) -> Recall {
        let Some(way) = self.of(credential) else {
            return Recall::Unknown;
        };
        let who = way.who.as_ref();
        let recalled = who.map_or(Recall::Unknown, |who| who.recall(credential));
        if matches!(recalled, Recall::Good(_)) {
            way.counts(credential).accepted.increment(1);
        }
        recalled
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        let way = self.of(credential).ok_or(AuthError::Rejected)?;
        let told = match &way.who {
            Some(who) => who.authenticate(credential).await,
            None => Err(AuthError::Rejected),
        };
        let counts = way.counts(credential);
        match &told {
            Ok(_) => &counts.accepted,
            Err(AuthError::Rejected) => &counts.rejected,
            Err(AuthError::Exceeded { .. }) => &counts.throttled,
            Err(AuthError::Unavailable(_)) => &counts.unavailable,
        }
        .increment(1);
        told
    }
}

struct Way {
    who: Option<Arc<dyn Authenticator>>,
    /// Made with the first credential: there may be no recorder before.
    counts: OnceLock<Counts>,
}

impl Way {
    fn new(who: Option<Arc<dyn Authenticator>>) -> Self {
        Self {
            who,
            counts: OnceLock::new(),
        }
    }

    fn counts(&self, credential: &Credential) -> &Counts {
        self.counts.get_or_init(|| {
            let kind = credential.kind();
            let count =
                |outcome| counter!(AUTHENTICATIONS, "credential" => kind, "outcome" => outcome);
            Counts {
                accepted: count("accepted"),
                rejected: count("rejected"),
                throttled: count("throttled"),
                unavailable: count("unavailable"),
            }
        })
    }
}

struct Counts {
    accepted: Counter,
    rejected: Counter,
    throttled: Counter,
    unavailable: Counter,
}

#[cfg(test)]
mod tests {
    use gateway_core::domain::identity::Secret;
    use gateway_core::ports::MockAuthenticator;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn worker(id: &str) -> WorkerId {
        WorkerId::parse(id).expect("is an identifier")
    }

    /// Says that everything is `name`'s.
    fn everything_is(name: &'static str) -> Arc<dyn Authenticator> {
        let mut who = MockAuthenticator::new();
        who.expect_recall()
            .returning(move |_| Recall::Good(worker(name)));
        who.expect_authenticate()
            .returning(move |_| Ok(worker(name)));
        Arc::new(who)
    }

    fn out_of_order() -> Arc<dyn Authenticator> {
        let mut who = MockAuthenticator::new();
        who.expect_authenticate()
            .returning(|_| Err(AuthError::Unavailable("away".into())));
        Arc::new(who)
    }

    #[test]
    fn each_kind_is_for_those_who_know_of_it_and_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let counted = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let all = ByKind::new(Ways {
                keys: Some(everything_is("w-1")),
                tokens: Some(out_of_order()),
                ..Ways::default()
            });
            let ask = |credential: &Credential| pollster::block_on(all.authenticate(credential));
            let key = Credential::Key(Secret::new("k"));
            let token = Credential::Token(Secret::new("t"));
            let certificate = Credential::Certificate(Arc::default());

            assert_eq!(all.recall(&key), Recall::Good(worker("w-1")));
            assert_eq!(ask(&key).expect("is known"), worker("w-1"));
            assert!(matches!(ask(&token), Err(AuthError::Unavailable(_))));
            for unknown in [&certificate, &Credential::Claim(worker("w-1"))] {
                assert_eq!(all.recall(unknown), Recall::Unknown);
                assert!(matches!(ask(unknown), Err(AuthError::Rejected)));
            }
        });
        let counted = counted.render();
        for (kind, outcome, count) in [
            ("api key", "accepted", 2),
            ("token", "unavailable", 1),
            ("certificate", "rejected", 1),
            ("certificate", "accepted", 0),
        ] {
            let line = format!(
                "{AUTHENTICATIONS}{{credential=\"{kind}\",outcome=\"{outcome}\"}} {count}\n"
            );
            assert!(counted.contains(&line), "{line}{counted}");
        }
    }
}
