//! The outbox: what is committed is published afterwards, at least once and in its order.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use diesel::result::QueryResult;
use diesel_async::{
    AnsiTransactionManager, AsyncMysqlConnection, RunQueryDsl as _, TransactionManager as _,
};
use gateway_core::domain::run::Report;
use gateway_core::ports::{FeedError, ResultFeed};
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::super::error::Fault;
use super::super::link::{Link, LinkError};
use super::super::schema;
use super::committer::Committer;

/// How many are published together.
const TOGETHER: usize = 256;

/// How often somebody looks whether another gateway left something behind.
const PERIOD: Duration = Duration::from_secs(1);

/// The pause after a failure, at first and at the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long the feed may take for one lot. Its rows are locked meanwhile.
const FEED_LIMIT: Duration = Duration::from_secs(5);

/// Why nothing could be published.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Server(#[from] diesel::result::Error),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("the feed took too long")]
    Slow,
}

/// Publishes what is in the outbox for as long as anybody holds the committer.
pub(super) fn relay(committer: &Arc<Committer>, feed: Arc<dyn ResultFeed>) {
    let news = committer.committed.clone();
    let committer = Arc::downgrade(committer);
    tokio::spawn(async move { serve(&committer, &news, feed.as_ref()).await });
}

async fn serve(committer: &Weak<Committer>, news: &Notify, feed: &dyn ResultFeed) {
    let (shortest, longest) = PAUSES;
    let mut pause = shortest;
    let mut failing = false;
    loop {
        let Some(link) = committer.upgrade().map(|alive| alive.link.clone()) else {
            return;
        };
        let rest = match publish(&link, feed).await {
            Ok(count) => {
                if failing {
                    info!("results are published again");
                }
                failing = false;
                pause = shortest;
                if count == TOGETHER {
                    continue;
                }
                PERIOD
            }
            Err(RelayError::Server(error)) if link.judge(&error) == Fault::LockTimeout => {
                // Another gateway is publishing, and slowly; that is not ours to tell.
                PERIOD
            }
            Err(error) => {
                if !failing {
                    warn!(%error, "results wait in gateway_outbox, as they cannot be published");
                }
                failing = true;
                pause = longest.min(pause * 2);
                // A commit is no reason to try a feed again that is away.
                tokio::time::sleep(pause).await;
                continue;
            }
        };
        let _woken_or_not = timeout(rest, news.notified()).await;
    }
}

/// Publishes the oldest; how many they were.
async fn publish(link: &Link, feed: &dyn ResultFeed) -> Result<usize, RelayError> {
    let mut connection = link.connection().await?;
    AnsiTransactionManager::begin_transaction(&mut *connection).await?;
    match pass_on(&mut connection, feed).await {
        Ok(count) => {
            AnsiTransactionManager::commit_transaction(&mut *connection).await?;
            Ok(count)
        }
        Err(error) => {
            // A connection that cannot even do this is not given back to the pool.
            let _undone = AnsiTransactionManager::rollback_transaction(&mut *connection).await;
            Err(error)
        }
    }
}

async fn pass_on(
    connection: &mut AsyncMysqlConnection,
    feed: &dyn ResultFeed,
) -> Result<usize, RelayError> {
    let oldest: QueryResult<Vec<(i64, String)>> =
        schema::oldest_out(TOGETHER).load(connection).await;
    let oldest = oldest?;
    if oldest.is_empty() {
        return Ok(0);
    }
    let reports: Vec<_> = oldest.iter().filter_map(read).collect();
    let published = timeout(FEED_LIMIT, feed.publish(&reports)).await;
    published.map_err(|_| RelayError::Slow)??;
    let ids: Vec<_> = oldest.iter().map(|(id, _)| *id).collect();
    let ids = serde_json::Value::from(ids).to_string();
    schema::take_out(ids).execute(connection).await?;
    Ok(oldest.len())
}

/// The report in an entry. One that is none would hold up all that come after it.
fn read((id, text): &(i64, String)) -> Option<Report> {
    let fields = serde_json::from_str::<BTreeMap<String, String>>(text);
    let fields = fields.map_err(|error| error.to_string());
    let report = fields
        .and_then(|fields| Report::from_fields(&fields).map_err(|invalid| invalid.to_string()));
    let noted = report.inspect_err(|error| {
        error!(
            id,
            error,
            entry = text,
            "an entry of gateway_outbox is no result; it is dropped"
        );
    });
    noted.ok()
}
