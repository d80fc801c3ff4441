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
                unavailable: count("unavailable"),
            }
        })
    }
}

struct Counts {
    accepted: Counter,
    rejected: Counter,
    unavailable: Counter,
}
