use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::control::{Command, CommandDelivery, Lane, Recipient, Reply};
use gateway_core::domain::id::{ReceiptId, RequestId, WorkerId};
use gateway_core::domain::task::Settled;
use gateway_core::ports::{self, ControlError, MasterError};
use tokio::time::Instant;

use super::Settings;
use super::guarded::Guarded;
use super::waiting::{Bells, Look, wait_for};
use state::State;

mod mailbox;
mod requests;
mod state;

/// What the platform tells workers, and what they reply.
pub struct ControlChannel {
    state: Guarded<State>,
    /// One for each request that somebody waits for a reply to.
    replied: Bells,
}

impl ControlChannel {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            state: Guarded::new(State::new(settings)),
            replied: Bells::default(),
        }
    }

    pub(super) fn send(&self, to: &Recipient, command: Command) -> Result<(), MasterError> {
        let mut state = self.state.lock();
        match to {
            Recipient::Worker(worker) => state.send(worker, command),
            Recipient::Everyone => {
                state.broadcast(command);
                Ok(())
            }
        }
    }

    /// How many commands `worker` was told and has not acknowledged.
    pub fn held(&self, worker: &WorkerId) -> usize {
        self.state.lock().held(worker)
    }

    pub(super) async fn replies(
        &self,
        request: &RequestId,
        wait: Duration,
    ) -> Vec<(WorkerId, Reply)> {
        let look = |now| {
            let replies = self.state.lock().requests.replies(request, now);
            if replies.is_empty() {
                return Look::Nothing { until: None };
            }
            Look::Found(replies)
        };
        let replies = wait_for(self.replied.of(request), wait, look).await;
        replies.unwrap_or_default()
    }
}

#[async_trait]
impl ports::ControlChannel for ControlChannel {
    async fn join(&self, worker: &WorkerId) -> Result<(), ControlError> {
        let bell = self.state.lock().bell(worker);
        bell.map(|_| ()).ok_or_else(no_room)
    }

    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
        lane: Lane,
    ) -> Result<Option<CommandDelivery>, ControlError> {
        // While we hold its bell, the worker's mailbox is not forgotten.
        let bell = self.state.lock().bell(worker).ok_or_else(no_room)?;
        let look = |now| self.state.lock().take(worker, lane, now);
        Ok(wait_for(&bell, wait, look).await)
    }

    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), ControlError> {
        self.state.lock().release(worker, receipt, Instant::now());
        Ok(())
    }

    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
    ) -> Result<Settled, ControlError> {
        self.state.lock().settle(worker, receipt)
    }

    async fn reply(&self, worker: &WorkerId, reply: Reply) -> Result<(), ControlError> {
        let request = reply.request.clone();
        let now = Instant::now();
        self.state.lock().requests.reply(worker, reply, now)?;
        self.replied.ring(&request);
        Ok(())
    }
}

fn no_room() -> ControlError {
    ControlError::Unavailable("no room for more workers".into())
}
