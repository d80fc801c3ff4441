use std::num::NonZeroUsize;

use async_trait::async_trait;
use gateway_core::domain::id::{RunId, WorkerId};
use gateway_core::ports::{self, Claim, OwnerError};
use lru::LruCache;

use super::Settings;
use super::guarded::Guarded;

/// Whose runs are; those nobody asked for the longest time are forgotten first.
#[derive(Debug)]
pub struct RunOwners {
    owners: Guarded<LruCache<RunId, WorkerId>>,
}

impl RunOwners {
    pub(super) fn new(settings: &Settings) -> Self {
        // Runs that ended and those to come, each as many as are kept.
        let max = NonZeroUsize::MIN.saturating_add(settings.max_runs.saturating_mul(2));
        Self {
            owners: Guarded::new(LruCache::sparse(max)),
        }
    }

    pub(super) fn set(&self, run: &RunId, worker: &WorkerId) {
        self.owners.lock().put(run.clone(), worker.clone());
    }
}

#[async_trait]
impl ports::RunOwners for RunOwners {
    async fn assign(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError> {
        self.set(run, worker);
        Ok(())
    }

    async fn claim(&self, run: &RunId, worker: &WorkerId) -> Result<Claim, OwnerError> {
        let mut owners = self.owners.lock();
        match owners.get(run) {
            Some(owner) if owner == worker => Ok(Claim::Known),
            Some(_) => Err(OwnerError::NotTheirs {
                run: run.clone(),
                worker: worker.clone(),
            }),
            None => {
                owners.put(run.clone(), worker.clone());
                Ok(Claim::First)
            }
        }
    }

    async fn disown(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError> {
        let mut owners = self.owners.lock();
        if owners.peek(run) == Some(worker) {
            owners.pop(run);
        }
        Ok(())
    }
}
