//! A Master for tests: it keeps what it is told, and tells what a test put in.

mod dead;
mod port;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use gateway_core::domain::control::{Command, Recipient, Reply};
use gateway_core::domain::id::{LetterId, RequestId, RunId, WorkerId};
use gateway_core::domain::log::{LogLine, LogStream};
use gateway_core::domain::run::{Report, Run, RunStatus};
use gateway_core::domain::task::{DeadLetter, Task};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{
    LogPage, Master, MasterError, NumberedLine, QueueView, RunView, WorkerView,
};
use tokio::sync::watch;
use tokio::time;

pub(crate) use self::dead::{dead_task, letter};
pub(crate) use self::port::routes;
pub(super) use self::port::{Port, error, text};

/// So few lines a page that even a short log has several.
const PAGE: usize = 2;

#[derive(Default)]
pub(crate) struct FakeMaster {
    books: Mutex<Books>,
    changed: watch::Sender<()>,
}

/// What it was told, and what it tells.
#[derive(Default)]
pub(crate) struct Books {
    pub(crate) tasks: Vec<(WorkerId, Task)>,
    pub(crate) sent: Vec<(Recipient, Command)>,
    pub(crate) runs: Vec<RunView>,
    pub(crate) lines: Vec<LogLine>,
    /// How many of the first lines are kept no more.
    pub(crate) dropped: usize,
    pub(crate) files: BTreeMap<(RunId, LogStream), (Vec<u8>, bool)>,
    pub(crate) replies: Vec<(WorkerId, Reply)>,
    pub(crate) workers: Vec<WorkerView>,
    pub(crate) queues: Vec<QueueView>,
    /// The oldest first.
    pub(crate) dead: Vec<DeadLetter>,
    pub(crate) requeued: Vec<LetterId>,
    /// Whether runs are the platform's Master's business alone.
    pub(crate) runs_unknown: bool,
    pub(crate) full: bool,
    pub(crate) down: bool,
    /// How many wait for a line.
    pub(crate) waiting: usize,
}

impl FakeMaster {
    /// Reads or changes the books.
    pub(crate) fn with<T>(&self, visit: impl FnOnce(&mut Books) -> T) -> T {
        let seen = visit(&mut self.look());
        self.changed.send_replace(());
        seen
    }

    /// A run of `worker-1` that has said nothing yet.
    pub(crate) fn open(&self, id: &str) -> RunId {
        let id = run(id);
        let view = RunView {
            id: id.clone(),
            task: id.clone().into(),
            worker: worker("worker-1"),
            created_at: at(0),
            run: Run::default(),
        };
        self.with(|books| books.runs.insert(0, view));
        id
    }

    pub(crate) fn write(&self, of: &RunId, stream: LogStream, content: &str) {
        self.with(|books| {
            books.lines.push(LogLine {
                run: of.clone(),
                stream,
                content: content.to_owned(),
                timestamp: at(1).to_string(),
                sequence: 7,
            });
        });
    }

    pub(crate) fn end(&self, of: &RunId, status: RunStatus, exit_code: i32) {
        let mut report = Report::new(of.clone(), worker("worker-1"), status, at(3));
        report.exit_code = Some(exit_code);
        report.started_at = Some(at(1));
        self.with(|books| {
            let view = books.runs.iter_mut().find(|view| view.id == *of);
            view.expect("was opened").run.record(&report);
        });
    }

    /// Waits until so many wait for a line.
    pub(crate) async fn is_waited_for(&self, count: usize) {
        let mut changed = self.changed.subscribe();
        while self.look().waiting != count {
            changed.changed().await.expect("the sender is ours");
        }
    }

    /// Waits for a runtime request.
    pub(crate) async fn is_asked(&self) -> RequestId {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some((_, Command::Runtime { request, .. })) = self.look().sent.last() {
                return request.clone();
            }
            changed.changed().await.expect("the sender is ours");
        }
    }

    fn look(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("nothing panics in between")
    }

    fn up(&self) -> Result<(), MasterError> {
        let down = self.look().down;
        if down {
            return Err(MasterError::Unavailable("a secret of the backend".into()));
        }
        Ok(())
    }

    fn keeps_runs(&self) -> Result<(), MasterError> {
        let unknown = self.look().runs_unknown;
        if unknown {
            return Err(MasterError::NotKept("runs"));
        }
        Ok(())
    }

    /// What `look` finds, waiting for it up to `wait`.
    async fn wait_for<T>(&self, wait: Duration, look: impl Fn(&Books) -> (T, bool)) -> T {
        let mut changed = self.changed.subscribe();
        let deadline = time::Instant::now() + wait;
        loop {
            let (seen, enough) = look(&self.look());
            let over = time::timeout_at(deadline, changed.changed());
            if enough || wait.is_zero() || over.await.is_err() {
                return seen;
            }
        }
    }
}

/// Counts itself among those who wait, as long as it lives.
struct Waiting<'a>(&'a FakeMaster);

impl<'a> Waiting<'a> {
    fn new(master: &'a FakeMaster) -> Self {
        master.with(|books| books.waiting += 1);
        Self(master)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.with(|books| books.waiting -= 1);
    }
}

impl Books {
    fn page(&self, of: &RunId, from: u64) -> LogPage {
        let index = |number: usize| u64::try_from(number).expect("is small");
        let all = self.lines.iter().filter(|line| line.run == *of);
        let count = index(all.clone().count());
        let first = from.max(index(self.dropped));
        let lines: Vec<_> = all
            .enumerate()
            .map(|(number, line)| NumberedLine {
                index: index(number),
                line: line.clone(),
            })
            .filter(|line| line.index >= first)
            .take(PAGE)
            .collect();
        let next = lines.last().map_or(first, |line| line.index + 1);
        let view = self.runs.iter().find(|view| view.id == *of);
        let status = view.and_then(|view| view.run.status);
        LogPage {
            lines,
            next,
            dropped: first - from,
            ended: next == count && status.is_some_and(RunStatus::is_terminal),
        }
    }
}

#[async_trait]
impl Master for FakeMaster {
    async fn enqueue(&self, worker: &WorkerId, task: Task) -> Result<(), MasterError> {
        self.up()?;
        self.with(|books| {
            if books.full {
                return Err(MasterError::Full("tasks"));
            }
            if books.runs.iter().any(|view| view.id == task.run) {
                return Err(MasterError::RunExists(task.run));
            }
            books.runs.insert(
                0,
                RunView {
                    id: task.run.clone(),
                    task: task.id.clone(),
                    worker: worker.clone(),
                    created_at: at(0),
                    run: Run::default(),
                },
            );
            books.tasks.push((worker.clone(), task));
            Ok(())
        })
    }

    async fn send(&self, to: &Recipient, command: Command) -> Result<(), MasterError> {
        self.up()?;
        self.with(|books| books.sent.push((to.clone(), command)));
        Ok(())
    }

    async fn replies(
        &self,
        request: &RequestId,
        wait: Duration,
    ) -> Result<Vec<(WorkerId, Reply)>, MasterError> {
        let look = |books: &Books| {
            let replies = books.replies.iter();
            let seen: Vec<_> = replies
                .filter(|(_, reply)| reply.request == *request)
                .cloned()
                .collect();
            let enough = !seen.is_empty();
            (seen, enough)
        };
        Ok(self.wait_for(wait, look).await)
    }

    async fn runs(&self) -> Result<Vec<RunView>, MasterError> {
        self.up()?;
        self.keeps_runs()?;
        Ok(self.with(|books| books.runs.clone()))
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunView>, MasterError> {
        self.up()?;
        self.keeps_runs()?;
        Ok(self.with(|books| books.runs.iter().find(|view| view.id == *run).cloned()))
    }

    async fn lines(&self, run: &RunId, from: u64, wait: Duration) -> Result<LogPage, MasterError> {
        self.up()?;
        let _waiting = Waiting::new(self);
        let look = |books: &Books| {
            let page = books.page(run, from);
            let enough = page.ended || !page.lines.is_empty();
            (page, enough)
        };
        Ok(self.wait_for(wait, look).await)
    }

    async fn file(
        &self,
        run: &RunId,
        stream: LogStream,
    ) -> Result<Option<(Vec<u8>, bool)>, MasterError> {
        Ok(self.with(|books| books.files.get(&(run.clone(), stream)).cloned()))
    }

    async fn workers(&self) -> Result<Vec<WorkerView>, MasterError> {
        Ok(self.with(|books| books.workers.clone()))
    }

    async fn queues(&self) -> Result<Vec<QueueView>, MasterError> {
        Ok(self.with(|books| books.queues.clone()))
    }
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId::parse(name).expect("is an identifier")
}

pub(crate) fn run(name: &str) -> RunId {
    RunId::parse(name).expect("is an identifier")
}

/// So many seconds past ten o'clock.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_341_600 + seconds).expect("is in range")
}
