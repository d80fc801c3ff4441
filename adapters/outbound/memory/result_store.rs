use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::run::{Recorded, Report, Run, RunStatus, Tally};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{self, MasterError, ResultError, RunView};
use lru::LruCache;

use super::Settings;
use super::guarded::Guarded;
use super::waiting::Bells;
use runs::Runs;

mod runs;

/// What became of runs, and what their tasks' books say.
pub struct ResultStore {
    state: Guarded<State>,
    bells: Arc<Bells>,
}

struct State {
    runs: Runs,
    books: LruCache<TaskId, Books>,
    adopts: bool,
}

/// What the runs of a task have come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// How far the latest run that changed is.
    pub status: Option<RunStatus>,
    /// When a run last began.
    pub last_run_time: Option<Timestamp>,
    /// Runs that ended well.
    pub success_count: u64,
    /// Runs that failed or took too long.
    pub failure_count: u64,
}

impl ResultStore {
    pub(super) fn new(settings: &Settings, bells: Arc<Bells>) -> Self {
        let max_runs = NonZeroUsize::new(settings.max_runs).unwrap_or(NonZeroUsize::MIN);
        Self {
            state: Guarded::new(State {
                runs: Runs::new(max_runs.get(), settings.result_bytes),
                books: LruCache::sparse(max_runs),
                adopts: settings.adopt_runs,
            }),
            bells,
        }
    }

    /// What the books of `task` say.
    pub fn books(&self, task: &TaskId) -> Books {
        let state = self.state.lock();
        state.books.peek(task).cloned().unwrap_or_default()
    }

    /// Opens a run that is `worker`'s.
    pub(super) fn open(
        &self,
        run: &RunId,
        task: &TaskId,
        worker: &WorkerId,
        created_at: Timestamp,
    ) -> Result<(), MasterError> {
        self.state.lock().runs.open(RunView {
            id: run.clone(),
            task: task.clone(),
            worker: worker.clone(),
            created_at,
            run: Run::default(),
        })
    }

    /// Opens a run once more, as if it had never been. One for which there is no room is unknown
    /// from then on, as one that was forgotten.
    pub(super) fn reopen(&self, run: &RunId, task: &TaskId, worker: &WorkerId, at: Timestamp) {
        self.withdraw(run);
        let _no_room = self.open(run, task, worker, at);
    }

    /// Undoes the opening of `run`, whose task found no room.
    pub(super) fn withdraw(&self, run: &RunId) {
        self.state.lock().runs.remove(run);
    }

    /// One run.
    pub(super) fn find(&self, run: &RunId) -> Option<Arc<RunView>> {
        self.state.lock().runs.get(run).cloned()
    }

    /// All runs, the newest first.
    pub(super) fn list(&self) -> Vec<Arc<RunView>> {
        self.state.lock().runs.newest_first()
    }
}

#[async_trait]
impl ports::ResultStore for ResultStore {
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError> {
        let recorded = self.state.lock().record(report)?;
        if report.status.is_terminal() {
            self.bells.ring(&report.run);
        }
        Ok(recorded)
    }

    async fn status(&self, run: &RunId) -> Result<Option<RunStatus>, ResultError> {
        let found = self.find(run);
        let found = found.ok_or_else(|| ResultError::UnknownRun(run.clone()))?;
        Ok(found.run.status)
    }
}

#[async_trait]
impl ports::Runs for ResultStore {
    async fn open(
        &self,
        run: &RunId,
        task: &TaskId,
        worker: &WorkerId,
        at: Timestamp,
    ) -> Result<(), MasterError> {
        self.open(run, task, worker, at)
    }

    async fn withdraw(&self, run: &RunId) -> Result<(), MasterError> {
        self.withdraw(run);
        Ok(())
    }

    async fn runs(&self) -> Result<Vec<RunView>, MasterError> {
        let runs = self.list();
        Ok(runs.into_iter().map(Arc::unwrap_or_clone).collect())
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunView>, MasterError> {
        Ok(self.find(run).map(Arc::unwrap_or_clone))
    }
}

impl State {
    /// Opens the run of `report`, of which nobody told; it is whose the report is.
    fn adopt(&mut self, report: &Report) -> Result<(), ResultError> {
        let opened = self.runs.open(RunView {
            id: report.run.clone(),
            task: report.run.clone().into(),
            worker: report.worker.clone(),
            created_at: report.at,
            run: Run::default(),
        });
        opened.map_err(|full| ResultError::Unavailable(full.into()))
    }

    fn record(&mut self, report: &Report) -> Result<Recorded, ResultError> {
        if self.adopts && self.runs.get(&report.run).is_none() {
            self.adopt(report)?;
        }
        let view = self.runs.get(&report.run);
        let view = view.ok_or_else(|| ResultError::UnknownRun(report.run.clone()))?;
        if view.worker != report.worker {
            return Err(ResultError::NotTheirs {
                run: report.run.clone(),
                worker: report.worker.clone(),
            });
        }
        let task = view.task.clone();
        let recorded = self.runs.record(report)?;
        if let Recorded::Changed { started, tally } = recorded {
            let books = self.books.get_or_insert_mut(task, Books::default);
            books.enter(report, started, tally);
        }
        Ok(recorded)
    }
}

impl Books {
    fn enter(&mut self, report: &Report, started: bool, tally: Option<Tally>) {
        self.status = Some(report.status);
        if started {
            self.last_run_time = report.started_at.or(Some(report.at));
        }
        match tally {
            Some(Tally::Success) => self.success_count += 1,
            Some(Tally::Failure) => self.failure_count += 1,
            None => {}
        }
    }
}
