//! The ports of which nothing but the time they take is told here.

use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::control::{CommandDelivery, Lane, Reply};
use gateway_core::domain::id::{ReceiptId, RunId, WorkerId};
use gateway_core::domain::identity::Credential;
use gateway_core::domain::limit::Demand;
use gateway_core::domain::task::Settled;
use gateway_core::domain::worker::{Heartbeat, Registration};
use gateway_core::ports::{
    AuthError, Authenticator, Claim, ControlChannel, ControlError, LimitError, Limiter, OwnerError,
    Recall, RegistryError, RunOwners, WorkerRegistry,
};

use super::Metered;

#[async_trait]
impl Authenticator for Metered<dyn Authenticator, ()> {
    fn recall(&self, credential: &Credential) -> Recall {
        self.port.recall(credential)
    }

    async fn authenticate(&self, credential: &Credential) -> Result<WorkerId, AuthError> {
        self.timed(self.port.authenticate(credential)).await
    }
}

#[async_trait]
impl Limiter for Metered<dyn Limiter, ()> {
    async fn admit(&self, worker: &WorkerId, demand: Demand) -> Result<(), LimitError> {
        self.timed(self.port.admit(worker, demand)).await
    }
}

#[async_trait]
impl ControlChannel for Metered<dyn ControlChannel, ()> {
    async fn join(&self, worker: &WorkerId) -> Result<(), ControlError> {
        self.timed(self.port.join(worker)).await
    }

    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
        lane: Lane,
    ) -> Result<Option<CommandDelivery>, ControlError> {
        let take = self.port.take(worker, wait, lane);
        self.timed_unless(!wait.is_zero(), take).await
    }

    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), ControlError> {
        self.timed(self.port.release(worker, receipt)).await
    }

    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
    ) -> Result<Settled, ControlError> {
        self.timed(self.port.settle(worker, receipt)).await
    }

    async fn reply(&self, worker: &WorkerId, reply: Reply) -> Result<(), ControlError> {
        self.timed(self.port.reply(worker, reply)).await
    }
}

#[async_trait]
impl RunOwners for Metered<dyn RunOwners, ()> {
    async fn assign(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError> {
        self.timed(self.port.assign(run, worker)).await
    }

    async fn claim(&self, run: &RunId, worker: &WorkerId) -> Result<Claim, OwnerError> {
        self.timed(self.port.claim(run, worker)).await
    }

    async fn disown(&self, run: &RunId, worker: &WorkerId) -> Result<(), OwnerError> {
        self.timed(self.port.disown(run, worker)).await
    }
}

#[async_trait]
impl WorkerRegistry for Metered<dyn WorkerRegistry, ()> {
    async fn register(&self, registration: &Registration) -> Result<(), RegistryError> {
        self.timed(self.port.register(registration)).await
    }

    async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<(), RegistryError> {
        self.timed(self.port.heartbeat(heartbeat)).await
    }
}
