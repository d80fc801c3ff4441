use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use gateway_core::domain::id::RunId;
use gateway_core::domain::run::{Recorded, Report, Run, RunStatus};
use gateway_core::ports::{MasterError, ResultError, RunView};

/// The runs that are known, within bounds: the oldest that ended make room for new ones.
pub(super) struct Runs {
    known: HashMap<RunId, Numbered>,
    /// In the order they were opened.
    order: BTreeMap<u64, RunId>,
    ended: BTreeSet<u64>,
    bytes: usize,
    capacity: usize,
    max_bytes: usize,
    last_number: u64,
}

struct Numbered {
    number: u64,
    /// Shared with those who read it, so that they need not copy it under the lock.
    view: Arc<RunView>,
}

impl Runs {
    pub(super) fn new(capacity: usize, max_bytes: usize) -> Self {
        Self {
            known: HashMap::new(),
            order: BTreeMap::new(),
            ended: BTreeSet::new(),
            bytes: 0,
            capacity,
            max_bytes,
            last_number: 0,
        }
    }

    pub(super) fn get(&self, run: &RunId) -> Option<&Arc<RunView>> {
        self.known.get(run).map(|numbered| &numbered.view)
    }

    pub(super) fn newest_first(&self) -> Vec<Arc<RunView>> {
        let ids = self.order.values().rev();
        ids.filter_map(|id| self.get(id).cloned()).collect()
    }

    pub(super) fn open(&mut self, view: RunView) -> Result<(), MasterError> {
        if self.known.contains_key(&view.id) {
            return Err(MasterError::RunExists(view.id));
        }
        if self.known.len() >= self.capacity && !self.forget_one(None) {
            return Err(MasterError::Full("runs"));
        }
        self.last_number += 1;
        self.order.insert(self.last_number, view.id.clone());
        let numbered = Numbered {
            number: self.last_number,
            view: Arc::new(view),
        };
        self.known.insert(numbered.view.id.clone(), numbered);
        Ok(())
    }

    pub(super) fn remove(&mut self, run: &RunId) {
        if let Some(removed) = self.known.remove(run) {
            self.order.remove(&removed.number);
            self.ended.remove(&removed.number);
            self.bytes -= weight(&removed.view.run);
        }
    }

    pub(super) fn record(&mut self, report: &Report) -> Result<Recorded, ResultError> {
        self.make_room(report)?;
        let unknown = || ResultError::UnknownRun(report.run.clone());
        let numbered = self.known.get_mut(&report.run).ok_or_else(unknown)?;
        let before = weight(&numbered.view.run);
        let run = &mut Arc::make_mut(&mut numbered.view).run;
        let recorded = run.record(report);
        self.bytes = self.bytes - before + weight(run);
        if run.status.is_some_and(RunStatus::is_terminal) {
            self.ended.insert(numbered.number);
        }
        Ok(recorded)
    }

    /// Forgets other runs until there is room for what `report` says.
    fn make_room(&mut self, report: &Report) -> Result<(), ResultError> {
        let added = report.error_message.len() + report.data.weight();
        while self.bytes.saturating_add(added) > self.max_bytes {
            if !self.forget_one(Some(&report.run)) {
                let cause = "no room for more result data".into();
                return Err(ResultError::Unavailable(cause));
            }
        }
        Ok(())
    }

    /// Forgets the oldest run that has ended. Whether there was one.
    fn forget_one(&mut self, except: Option<&RunId>) -> bool {
        let mut ended = self
            .ended
            .iter()
            .filter_map(|number| self.order.get(number));
        let oldest = ended.find(|run| Some(*run) != except).cloned();
        oldest.inspect(|run| self.remove(run)).is_some()
    }
}

/// What a run's outcome takes.
fn weight(run: &Run) -> usize {
    run.error_message.as_ref().map_or(0, String::len) + run.data.weight()
}
