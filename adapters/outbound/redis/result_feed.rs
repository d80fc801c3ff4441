pub(super) mod fields;

use async_trait::async_trait;
use gateway_core::domain::run::Report;
use gateway_core::ports::{self, FeedError};

use super::Shared;
use super::reports::{Entry, Reports};

/// Who reads the results: the Master's group.
pub(super) const GROUP: &str = "antcode-results";

/// The stream of results that the Master reads. Nothing is ever taken out of it here: only the
/// Master knows what it has read.
pub struct ResultFeed {
    reports: Reports,
}

impl ResultFeed {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            reports: Reports::new(shared, shared.keys.result(), GROUP.to_owned()),
        }
    }
}

#[async_trait]
impl ports::ResultFeed for ResultFeed {
    async fn publish(&self, reports: &[Report]) -> Result<(), FeedError> {
        let entries = reports.iter().map(|report| Entry {
            fields: fields::of(report),
            end: None,
        });
        let added = self.reports.add(entries.collect()).await;
        added.map_err(|error| FeedError::Unavailable(error.into()))
    }
}
