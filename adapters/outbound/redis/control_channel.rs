//! Commands for workers, on the streams that the Master writes.
//!
//! What is in a worker's hands is told by Redis alone: for its own stream by the pending list, for
//! the stream for everyone by the worker's mailbox, which also holds its place there. The two may
//! be in different slots of a cluster. So a look takes three steps: the gateway reads what is new
//! for everyone, once for all who look; asks the worker's script; and, if the worker has not heard
//! all of it, tells the script what there is to choose from.

pub(super) mod message;
mod origin;
mod requests;
mod tail;
mod take;
mod undo;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use fred::types::Value;
use gateway_core::domain::control::{Command, CommandDelivery, Lane, Recipient, Reply};
use gateway_core::domain::id::{ReceiptId, RequestId, WorkerId};
use gateway_core::domain::task::Settled;
use gateway_core::ports::{self, ControlError};

use self::origin::Origin;
use self::requests::Requests;
use self::tail::Tail;
use super::Shared;
use super::doorbell::Kind;
use super::entry_id::EntryId;
use super::link::LinkError;
use super::reply;
use super::script::Script;
use super::waiting::wait_for;

/// What the platform tells workers, and what they reply.
pub struct ControlChannel {
    mailboxes: Arc<Mailboxes>,
    tail: Tail,
    requests: Requests,
    /// Entries for one worker that were no commands.
    unreadable: AtomicU64,
}

/// What is for one worker at a time.
struct Mailboxes {
    shared: Shared,
    scripts: Scripts,
}

struct Scripts {
    join: Script,
    take: Script,
    release: Script,
    settle: Script,
}

/// A script on a worker's mailbox, with what all of them share.
macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(
            include_str!("lua/control_mailbox.lua"),
            include_str!(concat!("lua/control_", $name, ".lua"))
        ))
    };
}

impl ControlChannel {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            mailboxes: Arc::new(Mailboxes {
                shared: shared.clone(),
                scripts: Scripts {
                    join: script!("join"),
                    take: script!("take"),
                    release: script!("release"),
                    settle: script!("settle"),
                },
            }),
            tail: Tail::new(&shared.link, &shared.keys),
            requests: Requests::new(shared),
            unreadable: AtomicU64::new(0),
        }
    }

    /// Sends `command` as the Master does, once: after a failure it may or may not have been sent.
    pub(super) async fn send(&self, to: &Recipient, command: Command) -> Result<(), LinkError> {
        let shared = &self.mailboxes.shared;
        let stream = match to {
            Recipient::Worker(worker) => self.mailboxes.stream(worker),
            Recipient::Everyone => shared.keys.control_global(),
        };
        let mut args: Vec<Value> = vec![stream.into(), "*".into()];
        for (name, value) in message::write(&shared.keys, command) {
            args.extend([name.into(), value.into()]);
        }
        shared.link.write_once("XADD", args).await?;
        Ok(())
    }

    /// The replies to `request`, waiting up to `wait` for the first. Of several workers' replies
    /// the last is kept.
    pub(super) async fn replies(
        &self,
        request: &RequestId,
        wait: Duration,
    ) -> Result<Vec<(WorkerId, Reply)>, LinkError> {
        self.requests.replies(request, wait).await
    }
}

#[async_trait]
impl ports::ControlChannel for ControlChannel {
    async fn join(&self, worker: &WorkerId) -> Result<(), ControlError> {
        let last = self.tail.last().await.map_err(unavailable)?;
        let args = vec![last.to_string().into()];
        let script = &self.mailboxes.scripts.join;
        let joined = self.mailboxes.eval(script, worker, args).await;
        joined.map(|_| ()).map_err(unavailable)
    }

    async fn take(
        &self,
        worker: &WorkerId,
        wait: Duration,
        lane: Lane,
    ) -> Result<Option<CommandDelivery>, ControlError> {
        let doorbell = &self.mailboxes.shared.doorbell;
        let mut bell = doorbell.bell(Kind::Control, worker);
        if lane == Lane::Stream {
            // It carries less than a poll, so the two do not look for the same.
            bell = bell.distrusted();
        }
        // Between a look that found something and the answer nothing is awaited.
        let look = || self.look(worker, lane);
        let taken = wait_for(&bell, wait, || doorbell.patience(), look).await;
        taken.map_err(unavailable)
    }

    async fn release(&self, worker: &WorkerId, receipt: &ReceiptId) -> Result<(), ControlError> {
        if let Ok(Some((origin, id))) = origin::of(worker, receipt) {
            let token = undo::token();
            let released = self.mailboxes.release(worker, &token, Some((origin, id)));
            released.await.map_err(unavailable)?;
        }
        Ok(())
    }

    async fn settle(
        &self,
        worker: &WorkerId,
        receipt: &ReceiptId,
    ) -> Result<Settled, ControlError> {
        let Some((origin, id)) = origin::of(worker, receipt)? else {
            return Ok(Settled::Before);
        };
        let settled = self.mailboxes.settle(worker, origin, id).await;
        let settled = settled.map_err(unavailable)?;
        Ok(if settled {
            Settled::Now
        } else {
            Settled::Before
        })
    }

    async fn reply(&self, worker: &WorkerId, reply: Reply) -> Result<(), ControlError> {
        self.requests.reply(worker, reply).await
    }
}

impl Mailboxes {
    /// The worker's own stream.
    fn stream(&self, worker: &WorkerId) -> String {
        let keys = &self.shared.keys;
        let stream = keys.control(worker);
        if stream == keys.control_global() {
            // A worker of this name would take away what everyone is to hear.
            return format!("{}:own", keys.mailbox(worker));
        }
        stream
    }

    /// Undoes a delivery: this one, or whatever was taken by `token`.
    async fn release(
        &self,
        worker: &WorkerId,
        token: &str,
        delivery: Option<(Origin, EntryId)>,
    ) -> Result<(), LinkError> {
        let keys = &self.shared.keys;
        let mut args: Vec<Value> = vec![
            token.into(),
            keys.control_group().into(),
            worker.as_str().into(),
            keys.bell().into(),
        ];
        if let Some((origin, id)) = delivery {
            args.extend([origin.name().into(), id.to_string().into()]);
        }
        self.eval(&self.scripts.release, worker, args).await?;
        Ok(())
    }

    /// Whether there was something to settle.
    async fn settle(
        &self,
        worker: &WorkerId,
        origin: Origin,
        id: EntryId,
    ) -> Result<bool, LinkError> {
        let args = vec![
            self.shared.keys.control_group().into(),
            origin.name().into(),
            id.to_string().into(),
        ];
        let settled = self.eval(&self.scripts.settle, worker, args).await?;
        Ok(reply::number(&settled)? == 1)
    }

    async fn eval(
        &self,
        script: &Script,
        worker: &WorkerId,
        args: Vec<Value>,
    ) -> Result<Value, LinkError> {
        let keys = vec![self.stream(worker), self.shared.keys.mailbox(worker)];
        self.shared.link.eval(script, keys, args).await
    }
}

fn unavailable(error: LinkError) -> ControlError {
    ControlError::Unavailable(error.into())
}
