use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::control::{Command, Recipient, Reply};
use gateway_core::domain::id::{RequestId, RunId, WorkerId};
use gateway_core::domain::log::LogStream;
use gateway_core::domain::run::RunStatus;
use gateway_core::domain::task::Task;
use gateway_core::ports::{
    self, Clock, LogPage, MasterError, QueueView, RunView, Runs as _, WorkerView,
};

use super::waiting::{Bells, Look, wait_for};
use super::{ControlChannel, LogSink, ResultStore, RunOwners, TaskQueue, WorkerRegistry};

/// The scheduler's side of the adapters in this process.
pub struct Master {
    pub(super) bells: Arc<Bells>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) control_channel: Arc<ControlChannel>,
    pub(super) log_sink: Arc<LogSink>,
    pub(super) result_store: Arc<ResultStore>,
    pub(super) run_owners: Arc<RunOwners>,
    pub(super) task_queue: Arc<TaskQueue>,
    pub(super) worker_registry: Arc<WorkerRegistry>,
}

#[async_trait]
impl ports::Master for Master {
    async fn enqueue(&self, worker: &WorkerId, task: Task) -> Result<(), MasterError> {
        let run = task.run.clone();
        // The run is there before anybody can report it.
        self.result_store
            .open(&run, &task.id, worker, self.clock.now())?;
        self.run_owners.set(&run, worker);
        let queued = self.task_queue.enqueue(worker, task);
        queued.inspect_err(|_| self.result_store.withdraw(&run))
    }

    async fn send(&self, to: &Recipient, command: Command) -> Result<(), MasterError> {
        self.control_channel.send(to, command)
    }

    async fn replies(
        &self,
        request: &RequestId,
        wait: Duration,
    ) -> Result<Vec<(WorkerId, Reply)>, MasterError> {
        Ok(self.control_channel.replies(request, wait).await)
    }

    async fn runs(&self) -> Result<Vec<RunView>, MasterError> {
        self.result_store.runs().await
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunView>, MasterError> {
        self.result_store.run(run).await
    }

    async fn lines(&self, run: &RunId, from: u64, wait: Duration) -> Result<LogPage, MasterError> {
        let page = wait_for(self.bells.of(run), wait, |_| self.look(run, from)).await;
        Ok(page.unwrap_or_else(|| LogPage {
            next: from,
            ..LogPage::default()
        }))
    }

    async fn file(
        &self,
        run: &RunId,
        stream: LogStream,
    ) -> Result<Option<(Vec<u8>, bool)>, MasterError> {
        Ok(self.log_sink.file(run, stream))
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, MasterError> {
        Ok(self.worker_registry.list())
    }

    async fn queues(&self) -> Result<Vec<QueueView>, MasterError> {
        Ok(self.task_queue.list())
    }
}

impl Master {
    fn look(&self, run: &RunId, from: u64) -> Look<LogPage> {
        // The end first: a line that comes between the two looks is not taken for one after it.
        let view = self.result_store.find(run);
        let ended = view.is_none_or(|view| view.run.status.is_some_and(RunStatus::is_terminal));
        let page = self.log_sink.page(run, from);
        if page.lines.is_empty() && page.dropped == 0 && !ended {
            return Look::Nothing { until: None };
        }
        Look::Found(LogPage {
            ended: ended && page.last,
            lines: page.lines,
            next: page.next,
            dropped: page.dropped,
        })
    }
}
