//! The adapters of this process, put to the test.

use std::sync::Arc;
use std::time::Duration;

use gateway_adapters::outbound::SystemClock;
use gateway_adapters::outbound::memory::{ApiKeys, Backend, Limiter, Nonces, Settings};
use gateway_core::domain::control::{Command, Recipient, Reply};
use gateway_core::domain::id::{RequestId, RunId, TaskId, WorkerId};
use gateway_core::domain::identity::Credential;
use gateway_core::domain::limit::Limits;
use gateway_core::domain::log::{LogLine, LogStream};
use gateway_core::domain::run::Run;
use gateway_core::domain::task::{DeadLetter, Task};
use gateway_core::ports::{self, Clock, DeadLetters as _, Master as _, WorkerView};

use super::NOW;
use super::authenticator::Doors;
use super::control_channel::Controls;
use super::dead_letters::Morgue;
use super::limiter::Limiting;
use super::log_sink::Logs;
use super::master::Masters;
use super::nonces::Once;
use super::result_store::{Books, Results};
use super::run_owners::Owners;
use super::task_queue::{Queues, Terms};
use super::worker_registry::Registries;

pub(super) struct Memory {
    settings: Settings,
    backend: Backend,
}

/// A backend that is empty, and does not wait long for anybody.
pub(super) fn start() -> Memory {
    let settings = Settings {
        max_runs: 100_000,
        log_lines_per_run: 50,
        heartbeat_interval: Duration::from_millis(200),
        heartbeat_timeout: Duration::from_secs(2),
        lease_grace: Duration::from_millis(100),
        command_lease: Duration::from_secs(1),
        reply_timeout: Duration::from_secs(1),
        ..Settings::default()
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let backend = Backend::new(&settings, &clock);
    Memory { settings, backend }
}

impl Queues for Memory {
    fn queue(&self) -> Arc<dyn ports::TaskQueue> {
        self.backend.task_queue.clone()
    }

    async fn enqueue(&self, worker: &WorkerId, task: Task) {
        let queued = self.backend.master.enqueue(worker, task).await;
        queued.expect("queues");
    }

    async fn dead(&self) -> Vec<DeadLetter> {
        let letters = self.backend.dead_letters.list(usize::MAX).await;
        let mut letters = letters.expect("lists");
        letters.reverse();
        letters
    }

    fn terms(&self) -> Terms {
        Terms {
            heartbeat_interval: self.settings.heartbeat_interval,
            heartbeat_timeout: self.settings.heartbeat_timeout,
            lease_grace: self.settings.lease_grace,
        }
    }
}

impl Once for Memory {
    fn nonces(&self) -> Arc<dyn ports::Nonces> {
        Arc::new(Nonces::default())
    }
}

impl Morgue for Memory {
    fn dead_letters(&self) -> Arc<dyn ports::DeadLetters> {
        self.backend.dead_letters.clone()
    }
}

impl Controls for Memory {
    fn channel(&self) -> Arc<dyn ports::ControlChannel> {
        self.backend.control_channel.clone()
    }

    async fn send(&self, to: &Recipient, command: Command) {
        let sent = self.backend.master.send(to, command).await;
        sent.expect("sends");
    }

    async fn replies(&self, request: &RequestId, wait: Duration) -> Vec<(WorkerId, Reply)> {
        let replies = self.backend.master.replies(request, wait).await;
        replies.expect("lists")
    }

    fn command_lease(&self) -> Duration {
        self.settings.command_lease
    }

    fn reply_timeout(&self) -> Duration {
        self.settings.reply_timeout
    }
}

impl Logs for Memory {
    fn sink(&self) -> Arc<dyn ports::LogSink> {
        self.backend.log_sink.clone()
    }

    async fn lines(&self, run: &RunId) -> Vec<LogLine> {
        let page = self.backend.master.lines(run, 0, NOW).await.expect("reads");
        page.lines.into_iter().map(|line| line.line).collect()
    }

    async fn file(&self, run: &RunId, stream: LogStream) -> Option<(Vec<u8>, bool)> {
        self.backend.master.file(run, stream).await.expect("reads")
    }

    fn lines_kept(&self) -> usize {
        self.settings.log_lines_per_run
    }
}

impl Results for Memory {
    fn store(&self) -> Arc<dyn ports::ResultStore> {
        self.backend.result_store.clone()
    }

    async fn open(&self, worker: &WorkerId, task: Task) {
        let opened = self.backend.master.enqueue(worker, task).await;
        opened.expect("queues");
    }

    async fn outcome(&self, run: &RunId) -> Run {
        let view = self.backend.master.run(run).await.expect("reads");
        view.expect("is known").run
    }

    async fn books(&self, task: &TaskId) -> Books {
        let books = self.backend.result_store.books(task);
        Books {
            status: books.status,
            last_run_time: books.last_run_time,
            success_count: books.success_count,
            failure_count: books.failure_count,
        }
    }
}

impl Owners for Memory {
    fn owners(&self) -> Arc<dyn ports::RunOwners> {
        self.backend.run_owners.clone()
    }
}

impl Registries for Memory {
    fn registry(&self) -> Arc<dyn ports::WorkerRegistry> {
        self.backend.worker_registry.clone()
    }

    async fn workers(&self) -> Vec<WorkerView> {
        self.backend.master.workers().await.expect("lists")
    }

    fn heartbeat_timeout(&self) -> Duration {
        self.settings.heartbeat_timeout
    }
}

impl Limiting for Memory {
    fn limiter(&self, limits: Limits) -> Arc<dyn ports::Limiter> {
        Arc::new(Limiter::fixed(limits, self.settings.max_workers))
    }
}

impl Masters for Memory {
    fn master(&self) -> Arc<dyn ports::Master> {
        self.backend.master.clone()
    }

    fn results(&self) -> Arc<dyn ports::ResultStore> {
        self.backend.result_store.clone()
    }
}

impl Doors for Memory {
    async fn door(&self) -> (Arc<dyn ports::Authenticator>, Credential, WorkerId) {
        let (keys, key) = ApiKeys::local();
        (Arc::new(keys), Credential::Key(key), super::worker("local"))
    }
}
