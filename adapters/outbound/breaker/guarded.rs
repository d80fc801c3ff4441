//! A breaker before each port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::control::{CommandDelivery, Lane, Reply};
use gateway_core::domain::id::{ReceiptId, RunId, TaskId, WorkerId};
use gateway_core::domain::log::{LogChunk, LogLine};
use gateway_core::domain::run::{Recorded, Report, RunStatus};
use gateway_core::domain::task::{Delivery, Settled, Sign, Verdict};
use gateway_core::domain::worker::{Heartbeat, Registration};
use gateway_core::ports::{
    ChunkReceipt, Claim, ControlChannel, ControlError, KnownOutage, LogError, LogSink, OwnerError,
    QueueError, RegistryError, ResultError, ResultStore, RunOwners, TaskQueue, WorkerRegistry,
};

use super::{Breaker, Known, Outage, is_known};

/// An adapter with a breaker before it.
pub struct Guarded<P: ?Sized> {
    inner: Arc<P>,
    breaker: Arc<Breaker>,
}

impl<P: ?Sized> Guarded<P> {
    /// Puts `breaker` before `inner`.
    pub fn new(inner: Arc<P>, breaker: Arc<Breaker>) -> Self {
        Self { inner, breaker }
    }
}

macro_rules! outage {
    ($($error:ident),*) => {$(
        impl Outage for $error {
            fn outage(&self) -> Option<Known> {
                match self {
                    Self::Unavailable(cause) => Some(is_known(cause)),
                    #[expect(
                        clippy::allow_attributes,
                        reason = "some of them have no other variant"
                    )]
                    #[allow(unreachable_patterns, clippy::wildcard_enum_match_arm)]
                    _ => None,
                }
            }

            fn open(known: KnownOutage) -> Self {
                Self::Unavailable(known.into())
            }
        }
    )*};
}

outage!(
    ControlError,
    LogError,
    OwnerError,
    QueueError,
    RegistryError,
    ResultError
);

impl Breaker {
    /// Makes `call`, unless it is open.
    pub(in crate::outbound) async fn guard<T, E: Outage>(
        &self,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let permit = self.admit().map_err(E::open)?;
        let result = call.await;
        permit.settle(result.as_ref().err().and_then(Outage::outage));
        result
    }

    /// Takes something, waiting for it, unless it is open. For how long that waits says nothing of
    /// the back end: so where one call has to show that it answers, that does not wait.
    async fn guard_wait<T, E, F>(
        &self,
        wait: Duration,
        take: impl Fn(Duration) -> F,
    ) -> Result<Option<T>, E>
    where
        E: Outage,
        F: Future<Output = Result<Option<T>, E>>,
    {
        loop {
            let mut permit = self.admit().map_err(E::open)?;
            let probe = permit.probe;
            if !probe {
                permit.measured = None;
            }
            let taken = take(if probe { Duration::ZERO } else { wait }).await;
            permit.settle(taken.as_ref().err().and_then(Outage::outage));
            // Nothing is awaited between what was taken and the one who gets it.
            if !probe || wait.is_zero() || !matches!(taken, Ok(None)) {
                return taken;
            }
        }
    }
}

#[async_trait]
impl<P: TaskQueue + ?Sized> TaskQueue for Guarded<P> {
    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
    ) -> Result<Option<Delivery>, QueueError> {
        let take = |wait| self.inner.take(worker, wait);
        self.breaker.guard_wait(wait, take).await
    }

    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), QueueError> {
        let call = self.inner.release(worker, receipt);
        self.breaker.guard(call).await
    }

    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        verdict: Verdict,
    ) -> Result<Settled, QueueError> {
        let call = self.inner.settle(worker, receipt, verdict);
        self.breaker.guard(call).await
    }

    async fn bury(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
        reason: &str,
    ) -> Result<Settled, QueueError> {
        let call = self.inner.bury(worker, receipt, reason);
        self.breaker.guard(call).await
    }

    async fn held(&self, worker: &WorkerId, task: &TaskId) -> Result<Option<Delivery>, QueueError> {
        self.breaker.guard(self.inner.held(worker, task)).await
    }

    async fn note(&self, worker: &WorkerId, sign: &Sign) -> Result<(), QueueError> {
        self.breaker.guard(self.inner.note(worker, sign)).await
    }
}

#[async_trait]
impl<P: ControlChannel + ?Sized> ControlChannel for Guarded<P> {
    async fn join(&self, worker: &WorkerId) -> Result<(), ControlError> {
        self.breaker.guard(self.inner.join(worker)).await
    }

    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
        lane: Lane,
    ) -> Result<Option<CommandDelivery>, ControlError> {
        let take = |wait| self.inner.take(worker, wait, lane);
        self.breaker.guard_wait(wait, take).await
    }

    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), ControlError> {
        let call = self.inner.release(worker, receipt);
        self.breaker.guard(call).await
    }

    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
    ) -> Result<Settled, ControlError> {
        self.breaker.guard(self.inner.settle(worker, receipt)).await
    }

    async fn reply(&self, worker: &WorkerId, reply: Reply) -> Result<(), ControlError> {
        self.breaker.guard(self.inner.reply(worker, reply)).await
    }
}

#[async_trait]
impl<P: LogSink + ?Sized> LogSink for Guarded<P> {
    async fn append(&self, lines: Vec<LogLine>) -> Result<(), LogError> {
        self.breaker.guard(self.inner.append(lines)).await
    }

    async fn store(&self, chunk: LogChunk) -> Result<ChunkReceipt, LogError> {
        self.breaker.guard(self.inner.store(chunk)).await
    }
}

#[async_trait]
impl<P: ResultStore + ?Sized> ResultStore for Guarded<P> {
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError> {
        self.breaker.guard(self.inner.record(report)).await
    }

    async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, ResultError> {
        self.breaker.guard(self.inner.status(run)).await
    }
}

#[async_trait]
impl<P: RunOwners + ?Sized> RunOwners for Guarded<P> {
    async fn assign(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError> {
        self.breaker.guard(self.inner.assign(run, worker)).await
    }

    async fn claim(&self, run: &RunId, worker: &WorkerId) -> Result<Claim, OwnerError> {
        self.breaker.guard(self.inner.claim(run, worker)).await
    }

    async fn disown(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError> {
        self.breaker.guard(self.inner.disown(run, worker)).await
    }
}

#[async_trait]
impl<P: WorkerRegistry + ?Sized> WorkerRegistry for Guarded<P> {
    async fn register(&self, registration: &Registration) -> Result<(), RegistryError> {
        self.breaker.guard(self.inner.register(registration)).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), RegistryError> {
        self.breaker.guard(self.inner.heartbeat(heartbeat)).await
    }
}
