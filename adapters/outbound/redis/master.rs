//! The scheduler's side, for an operator's tools. Nothing here is on the way of a worker's call.

mod lists;
mod logs;
mod task;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::control::{Command, Recipient, Reply};
use gateway_core::domain::id::{RequestId, RunId, WorkerId};
use gateway_core::domain::log::LogStream;
use gateway_core::domain::task::Task;
use gateway_core::ports::{
    self, LogPage, MasterError, QueueView, RunOwners as _, RunView, Runs, WorkerView,
};

#[cfg(test)]
pub(super) use self::{logs::line, task::fields as task_fields};

use super::link::LinkError;
use super::script::Script;
use super::{ControlChannel, RunOwners, Shared};

/// The scheduler's side of the adapters here. What became of runs is asked of those who keep it.
pub struct Master {
    shared: Shared,
    runs: Option<Arc<dyn Runs>>,
    control_channel: Arc<ControlChannel>,
    run_owners: Arc<RunOwners>,
    page: Script,
}

impl Master {
    pub(super) fn new(
        shared: &Shared,
        runs: Option<Arc<dyn Runs>>,
        control_channel: Arc<ControlChannel>,
        run_owners: Arc<RunOwners>,
    ) -> Self {
        Self {
            shared: shared.clone(),
            runs,
            control_channel,
            run_owners,
            page: Script::new(include_str!("lua/log_page.lua")),
        }
    }

    fn book(&self) -> Result<&dyn Runs, MasterError> {
        self.runs.as_deref().ok_or(MasterError::NotKept("runs"))
    }
}

#[async_trait]
impl ports::Master for Master {
    async fn enqueue(&self, worker: &WorkerId, task: Task) -> Result<(), MasterError> {
        let run = task.run.clone();
        if let Some(runs) = &self.runs {
            // It is there before anybody can report it.
            let now = self.shared.clock.now();
            runs.open(&run, &task.id, worker, now).await?;
        }
        let owned = self.run_owners.assign(&run, worker).await;
        let queued = match owned {
            Ok(()) => self.add(worker, task).await.map_err(no_room_for("tasks")),
            Err(error) => Err(MasterError::Unavailable(error.into())),
        };
        if let (Err(_), Some(runs)) = (&queued, &self.runs) {
            runs.withdraw(&run).await?;
        }
        queued
    }

    async fn send(&self, to: &Recipient, mut command: Command) -> Result<(), MasterError> {
        if let Command::Runtime { reply_stream, .. } = &mut command {
            // Whatever the tool thinks, replies go where this namespace has them.
            reply_stream.clear();
        }
        let sent = self.control_channel.send(to, command).await;
        sent.map_err(no_room_for("commands"))
    }

    async fn replies(
        &self,
        request: &RequestId,
        wait: Duration,
    ) -> Result<Vec<(WorkerId, Reply)>, MasterError> {
        let replies = self.control_channel.replies(request, wait).await;
        replies.map_err(unavailable)
    }

    async fn runs(&self) -> Result<Vec<RunView>, MasterError> {
        self.book()?.runs().await
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunView>, MasterError> {
        self.book()?.run(run).await
    }

    async fn lines(&self, run: &RunId, from: u64, wait: Duration) -> Result<LogPage, MasterError> {
        self.follow(run, from, wait).await
    }

    async fn file(
        &self,
        run: &RunId,
        stream: LogStream,
    ) -> Result<Option<(Vec<u8>, bool)>, MasterError> {
        self.assemble(run, stream).await.map_err(unavailable)
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, MasterError> {
        self.list_workers().await.map_err(unavailable)
    }

    async fn queues(&self) -> Result<Vec<QueueView>, MasterError> {
        self.list_queues().await.map_err(unavailable)
    }
}

fn no_room_for(what: &'static str) -> impl Fn(LinkError) -> MasterError {
    move |error| match error {
        error if error.is_full() => MasterError::Full(what),
        error => unavailable(error),
    }
}

fn unavailable(error: LinkError) -> MasterError {
    MasterError::Unavailable(error.into())
}
