use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::proto::TaskDispatch;

/// The param that says when a task was queued, in µs since the swarm began.
pub(crate) const QUEUED_AT: &str = "swarm_queued_at_us";

/// What a task of ours is called before its number: by it those of an earlier swarm are told apart.
pub(crate) type Session = String;

/// What happens, by number.
pub(crate) struct Tally {
    session: Session,
    began: Instant,
    counts: Mutex<Counts>,
}

/// A task to queue.
pub(crate) struct NewTask {
    /// How many were before it.
    pub(crate) number: usize,
    /// Its id, and that of its run.
    pub(crate) id: String,
    /// When it was queued: µs since the swarm began.
    pub(crate) at: u64,
}

/// What has happened.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    tasks: Vec<Fate>,
    /// Tasks of which it is known whether they could be queued.
    answered: usize,
    /// How long tasks were under way, in µs.
    pub(crate) latency: Option<Histogram<u64>>,
    /// Tasks that were queued.
    pub(crate) queued: u64,
    /// Tasks that came, each once.
    pub(crate) received: u64,
    /// Tasks that came although they had come before.
    pub(crate) duplicated: u64,
    /// Tasks that are not of this swarm.
    pub(crate) strange: u64,
    /// Tasks whose acknowledgement was answered, or failed.
    settled: u64,
    /// Tasks that were acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) controls: u64,
    pub(crate) heartbeats: u64,
    pub(crate) lines: u64,
    /// By call and code.
    pub(crate) errors: BTreeMap<&'static str, BTreeMap<String, u64>>,
}

#[derive(Clone, Copy, Default)]
struct Fate {
    queued: bool,
    came: bool,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            session: format!("swarm-{:08x}", rand::random::<u32>()),
            began: Instant::now(),
            counts: Mutex::default(),
        }
    }

    /// What ids of this swarm begin with.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The next task, which is queued now.
    pub(crate) fn sent(&self) -> NewTask {
        let mut counts = self.lock();
        let number = counts.tasks.len();
        counts.tasks.push(Fate::default());
        drop(counts);
        let id = format!("{}-{number}", self.session);
        let at = self.now();
        NewTask { number, id, at }
    }

    /// Whether a task could be queued. One that could not may still come.
    pub(crate) fn queued(&self, number: usize, outcome: Result<(), String>) {
        let mut counts = self.lock();
        counts.answered += 1;
        if let Err(reason) = outcome {
            counts.failed("enqueue", reason);
        } else if let Some(fate) = counts.tasks.get_mut(number) {
            fate.queued = true;
            counts.queued += 1;
        }
    }

    /// A worker has got a task.
    pub(crate) fn received(&self, task: &TaskDispatch) {
        let now = self.now();
        let number = task.task_id.strip_prefix(&self.session);
        let number = number.and_then(|rest| rest.strip_prefix('-')?.parse::<usize>().ok());
        let mut counts = self.lock();
        let Some(fate) = number.and_then(|number| counts.tasks.get_mut(number)) else {
            counts.strange += 1;
            return;
        };
        if std::mem::replace(&mut fate.came, true) {
            counts.duplicated += 1;
            return;
        }
        counts.received += 1;
        let Some(at) = task.params.get(QUEUED_AT).and_then(|at| at.parse().ok()) else {
            return;
        };
        if counts.latency.is_none() {
            counts.latency = Histogram::new(3).ok();
        }
        if let Some(latency) = &mut counts.latency {
            // It grows as needed.
            let _recorded = latency.record(now.saturating_sub(at));
        }
    }

    /// A worker is done with a task.
    pub(crate) fn settled(&self, acknowledged: bool) {
        let mut counts = self.lock();
        counts.settled += 1;
        counts.acknowledged += u64::from(acknowledged);
    }

    pub(crate) fn controlled(&self) {
        self.lock().controls += 1;
    }

    pub(crate) fn beaten(&self) {
        self.lock().heartbeats += 1;
    }

    pub(crate) fn logged(&self, lines: u64) {
        self.lock().lines += lines;
    }

    /// A call failed.
    pub(crate) fn failed(&self, call: &'static str, code: String) {
        self.lock().failed(call, code);
    }

    /// Whether nothing is under way any more.
    pub(crate) fn is_settled(&self) -> bool {
        let counts = self.lock();
        counts.answered == counts.tasks.len()
            && counts.lost() == 0
            && counts.settled == counts.received + counts.duplicated + counts.strange
    }

    /// What has happened so far.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// What has happened so far, in a line.
    pub(crate) fn line(&self) -> String {
        let counts = self.lock();
        let errors: u64 = counts.errors.values().flat_map(BTreeMap::values).sum();
        format!(
            "{} queued, {} received, {} lines, {} errors, p99 {:.1} ms",
            counts.queued,
            counts.received,
            counts.lines,
            errors,
            counts.latency_ms(0.99),
        )
    }

    fn now(&self) -> u64 {
        let micros = Duration::as_micros(&self.began.elapsed());
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics while it is held, so poisoned counts are still right.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn failed(&mut self, call: &'static str, code: String) {
        let codes = self.errors.entry(call).or_default();
        *codes.entry(code).or_default() += 1;
    }

    /// Tasks that were queued and did not come.
    pub(crate) fn lost(&self) -> usize {
        let lost = |fate: &&Fate| fate.queued && !fate.came;
        self.tasks.iter().filter(lost).count()
    }

    /// The time in ms within which so great a part of the tasks came.
    pub(crate) fn latency_ms(&self, part: f64) -> f64 {
        let micros = |latency: &Histogram<u64>| latency.value_at_quantile(part);
        #[expect(clippy::cast_precision_loss, reason = "below 2^52 µs")]
        let millis = |micros: u64| micros as f64 / 1e3;
        millis(self.latency.as_ref().map_or(0, micros))
    }
}
