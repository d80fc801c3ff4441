use std::num::NonZeroUsize;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::time::Timestamp;
use gateway_core::domain::worker::{Heartbeat, Load, Os, Registration, WorkerStatus};
use gateway_core::ports::{self, RegistryError, WorkerView};
use lru::LruCache;
use tokio::time::Instant;

use super::Settings;
use super::guarded::Guarded;

/// The workers that were heard of lately.
#[derive(Debug)]
pub struct WorkerRegistry {
    /// By when they were last heard of, so that those who went silent are at one end.
    workers: Guarded<LruCache<WorkerId, Known>>,
    timeout: Duration,
}

#[derive(Debug)]
struct Known {
    heard: Instant,
    view: WorkerView,
}

impl WorkerRegistry {
    pub(super) fn new(settings: &Settings) -> Self {
        let max = NonZeroUsize::new(settings.max_workers).unwrap_or(NonZeroUsize::MIN);
        Self {
            workers: Guarded::new(LruCache::sparse(max)),
            timeout: settings.heartbeat_timeout,
        }
    }

    /// All that are not silent.
    pub(super) fn list(&self) -> Vec<WorkerView> {
        let mut workers = self.workers.lock();
        self.forget_the_silent(&mut workers, Instant::now());
        let mut views: Vec<_> = workers
            .iter()
            .map(|(_, known)| known.view.clone())
            .collect();
        drop(workers);
        views.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        views
    }

    fn update(&self, worker: &WorkerId, at: Timestamp, change: impl FnOnce(&mut WorkerView)) {
        let now = Instant::now();
        let mut workers = self.workers.lock();
        self.forget_the_silent(&mut workers, now);
        let known = workers.get_or_insert_mut_ref(worker, || Known {
            heard: now,
            view: unknown(worker, at),
        });
        known.heard = now;
        known.view.at = at;
        change(&mut known.view);
    }

    fn forget_the_silent(&self, workers: &mut LruCache<WorkerId, Known>, now: Instant) {
        let silent = |known: &Known| now.duration_since(known.heard) >= self.timeout;
        while workers.peek_lru().is_some_and(|(_, known)| silent(known)) {
            workers.pop_lru();
        }
    }
}

#[async_trait]
impl ports::WorkerRegistry for WorkerRegistry {
    async fn register(&self, registration: &Registration) -> Result<(), RegistryError> {
        self.update(&registration.worker, registration.at, |view| {
            view.status = WorkerStatus::Online;
            view.os = registration.os.clone();
            view.capabilities = registration.capabilities.clone();
        });
        Ok(())
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), RegistryError> {
        self.update(&heartbeat.worker, heartbeat.at, |view| {
            view.status = heartbeat.status;
            view.load = heartbeat.load.unwrap_or(view.load);
            if !heartbeat.version.is_empty() {
                view.version.clone_from(&heartbeat.version);
            }
            if let Some(os) = &heartbeat.os {
                view.os.clone_from(os);
            }
            if let Some(capabilities) = &heartbeat.capabilities {
                view.capabilities.clone_from(capabilities);
            }
        });
        Ok(())
    }
}

/// A worker of which nothing is known but that it is there.
fn unknown(worker: &WorkerId, at: Timestamp) -> WorkerView {
    WorkerView {
        id: worker.clone(),
        status: WorkerStatus::Online,
        load: Load::default(),
        version: String::new(),
        os: Os::default(),
        capabilities: std::collections::BTreeMap::new(),
        at,
    }
}
