//! Undoing what a take took of which nobody hears.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use fred::types::Value;
use gateway_core::domain::id::WorkerId;
use gateway_core::ports::KnownOutage;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::warn;

use super::super::keys::Keys;
use super::super::link::{Link, LinkError};
use super::scripts;

/// Takes under way at once, those that are being undone among them: so many in each of so many lanes.
/// A worker keeps to its lane, so the book of its queue, which knows the last 32 takes, knows all.
const LANES: usize = 64;
const LANE_WIDTH: usize = 16;

/// How long one tries. A lost answer is no reason to give up, nor is a failover.
const PATIENCE: Duration = Duration::from_mins(1);

/// Undoes deliveries. Clones share the bound.
#[derive(Clone)]
pub(super) struct Undo(Arc<Inner>);

struct Inner {
    link: Link,
    keys: Keys,
    lanes: Vec<Arc<Semaphore>>,
    hasher: RandomState,
}

/// A take whose outcome nobody knows, until it is [disarmed](Guard::disarm). Dropped before, it is
/// undone in the background: whatever it took waits again, and it takes nothing any more.
pub(super) struct Guard {
    undo: Undo,
    worker: WorkerId,
    token: String,
    /// Room in the lane; none, once there is nothing to be undone.
    room: Option<OwnedSemaphorePermit>,
}

impl Undo {
    pub(super) fn new(link: &Link, keys: &Keys) -> Self {
        Self(Arc::new(Inner {
            link: link.clone(),
            keys: keys.clone(),
            lanes: (0..LANES)
                .map(|_| Arc::new(Semaphore::new(LANE_WIDTH)))
                .collect(),
            hasher: RandomState::new(),
        }))
    }

    /// A guard for one take of `worker`, with a token of its own, as soon as there is room.
    pub(super) async fn guard(&self, worker: &WorkerId) -> Result<Guard, LinkError> {
        let lane = self.0.hasher.hash_one(worker) % LANES as u64;
        let lane = usize::try_from(lane).unwrap_or_default();
        let room = self.enter(self.0.lanes[lane].clone()).await?;
        Ok(Guard {
            undo: self.clone(),
            worker: worker.clone(),
            token: token(),
            room,
        })
    }

    /// Waits for room, as long as Redis is there: many who come at once get theirs in turn.
    async fn enter(&self, lane: Arc<Semaphore>) -> Result<Option<OwnedSemaphorePermit>, LinkError> {
        if let Ok(room) = lane.clone().try_acquire_owned() {
            return Ok(Some(room));
        }
        // What is to be undone may fill the lane while Redis is away, and some time beyond.
        let mut away = self.0.link.away();
        let room = async {
            tokio::select! {
                // A lane is never closed.
                room = lane.acquire_owned() => Ok(room.ok()),
                Ok(reason) = away.wait_for(Option::is_some) => {
                    let reason = reason.clone().unwrap_or_default();
                    Err(LinkError::Away(KnownOutage(reason)))
                }
            }
        };
        let room = timeout(PATIENCE, room).await;
        room.unwrap_or(Err(LinkError::Overdue(PATIENCE)))
    }

    /// Undoes the delivery of one `entry`, if it is in the worker's hands.
    pub(super) async fn release(&self, worker: &WorkerId, entry: &str) -> Result<(), LinkError> {
        self.run(worker, &token(), entry).await
    }

    async fn run(&self, worker: &WorkerId, token: &str, entry: &str) -> Result<(), LinkError> {
        let keys = &self.0.keys;
        let args: [Value; 6] = [
            keys.task_group().into(),
            worker.as_str().into(),
            token.into(),
            entry.into(),
            keys.bell().into(),
            format!("task {worker}").into(),
        ];
        let keys = vec![keys.ready(worker), keys.queue(worker)];
        let undone = self.0.link.eval(&scripts::UNDO, keys, args.to_vec());
        undone.await.map(drop)
    }

    /// Undoes what the take with `token` took, in the background.
    fn spawn(&self, worker: WorkerId, token: String, room: OwnedSemaphorePermit) {
        // Without a runtime the process ends, and the lease tells.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let undo = self.clone();
        runtime.spawn(async move {
            let _under_way = room;
            let attempt = || undo.run(&worker, &token, "");
            let pauses = ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(50))
                .with_max_delay(Duration::from_secs(1))
                .with_jitter()
                .without_max_times()
                .with_total_delay(Some(PATIENCE));
            if let Err(error) = attempt.retry(pauses).await {
                warn!(%worker, %error, "a take was not undone: a task may wait for its lease to end");
            }
        });
    }
}

impl Guard {
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// The take is known to have taken nothing, or what it took is in good hands.
    pub(super) fn disarm(mut self) {
        self.room = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(room) = self.room.take() {
            let token = std::mem::take(&mut self.token);
            self.undo.spawn(self.worker.clone(), token, room);
        }
    }
}

/// A name for one change, so that it can be repeated and undone.
pub(super) fn token() -> String {
    format!("{:016x}", rand::random::<u64>())
}
