use async_trait::async_trait;
use gateway_core::domain::id::RunId;
use gateway_core::domain::run::{Recorded, Report, RunStatus};
use gateway_core::ports::{self, ResultError};

use super::Shared;
use super::link::LinkError;
use super::reports::{self, Entry, Reports};
use super::result_feed::{GROUP, fields};

/// Results where the Master owns the database: they are handed on to it, and nothing is known of a
/// run but how it ended, for a while.
pub struct ResultStream {
    reports: Reports,
}

impl ResultStream {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            reports: Reports::new(shared, shared.keys.result(), GROUP.to_owned()),
        }
    }
}

#[async_trait]
impl ports::ResultStore for ResultStream {
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError> {
        let entry = Entry {
            fields: fields::of(report),
            end: reports::end(report),
        };
        self.reports.add(vec![entry]).await.map_err(unavailable)?;
        Ok(Recorded::Published)
    }

    async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, ResultError> {
        self.reports.ended(run).await.map_err(unavailable)
    }
}

fn unavailable(error: LinkError) -> ResultError {
    ResultError::Unavailable(error.into())
}
