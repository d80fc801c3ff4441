//! Which workers there are and what they sign with, by the table `workers`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use diesel::sql_types::Text;
use diesel::{QueryableByName, sql_query};
use diesel_async::RunQueryDsl as _;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::Secret;
use gateway_core::ports::{AuthError, SigningKey, SigningKeys, WorkerDirectory};

use super::api_keys::{ApiKeySettings, ApiKeys};
use super::digest::{Digest, digest};
use super::link::Link;
use super::questions::{LookupError, Questions, is_disabled};
use super::remembered::{Found, Old, Remembered};
use crate::outbound::breaker::Breaker;

/// How the column compares texts is not ours to say.
const ALIKE: &str = "\
    SELECT public_id, COALESCE(status, '') AS status, COALESCE(secret_key, '') AS secret \
    FROM workers WHERE public_id = ? LIMIT 64";

/// Workers, as far as they may come in.
pub struct Workers {
    questions: Questions,
    known: Remembered<Digest, Standing>,
}

/// A worker that may come in.
#[derive(Clone)]
struct Standing {
    /// What it signs with, if it does.
    secret: Option<Secret>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    public_id: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    secret: String,
}

impl Workers {
    /// Looks workers up over `link`. An answer is believed for `cache`, and for `stale_max` while
    /// `MySQL` cannot be asked.
    pub fn new(link: Link, cache: Duration, stale_max: Duration) -> Self {
        Self::asking(Questions::new(link, None), cache, stale_max)
    }

    /// API keys and workers, which take turns to ask.
    pub fn with_keys(
        link: Link,
        settings: ApiKeySettings,
        breaker: Option<Arc<Breaker>>,
    ) -> (ApiKeys, Self) {
        let questions = Questions::new(link, breaker);
        let workers = Self::asking(questions.clone(), settings.cache, settings.stale_max);
        (ApiKeys::asking(questions, settings), workers)
    }

    fn asking(questions: Questions, cache: Duration, stale_max: Duration) -> Self {
        Self {
            questions,
            known: Remembered::new(cache, stale_max),
        }
    }

    async fn standing(&self, worker: &WorkerId) -> Result<Found<Standing>, AuthError> {
        let key = digest(worker.as_str());
        self.known.find(key, self.look_up(worker)).await
    }

    async fn look_up(&self, worker: &WorkerId) -> Result<Standing, LookupError> {
        let alike = self.questions.ask(|mut connection| {
            let query = sql_query(ALIKE).bind::<Text, _>(worker.as_str().to_owned());
            async move { query.load::<Row>(&mut connection).await }
        });
        let mut alike = alike.await?.into_iter();
        let row = alike.find(|row| row.public_id == worker.as_str());
        let row = row.filter(|row| !is_disabled(&row.status));
        let secret = row.ok_or(LookupError::Nobody)?.secret;
        Ok(Standing {
            secret: (!secret.is_empty()).then(|| Secret::new(secret)),
        })
    }

    fn old(&self, worker: &WorkerId) -> Option<Old<Standing>> {
        self.known.recall(&digest(worker.as_str()))
    }
}

#[async_trait]
impl SigningKeys for Workers {
    fn recall(&self, worker: &WorkerId) -> Option<Secret> {
        // An old one proves as well that whoever has it is no stranger.
        match self.old(worker)? {
            Old::Fresh(standing) | Old::Last(standing) => standing.secret,
            Old::Nobody => None,
        }
    }

    async fn secret(&self, worker: &WorkerId) -> Result<SigningKey, AuthError> {
        let standing = self.standing(worker).await?;
        Ok(SigningKey {
            secret: standing.answer.and_then(|standing| standing.secret),
            current: standing.current,
        })
    }

    async fn secret_now(&self, worker: &WorkerId) -> Result<Option<Secret>, AuthError> {
        let key = digest(worker.as_str());
        let standing = self.known.find_now(key, self.look_up(worker)).await?;
        Ok(standing.and_then(|standing| standing.secret))
    }
}

#[async_trait]
impl WorkerDirectory for Workers {
    fn recalls(&self, worker: &WorkerId) -> bool {
        matches!(self.old(worker), Some(Old::Fresh(_)))
    }

    async fn knows(&self, worker: &WorkerId) -> Result<bool, AuthError> {
        Ok(self.standing(worker).await?.answer.is_some())
    }
}
