//! Tasks, and how one is handed to a worker.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::id::{LetterId, ReceiptId, RunId, TaskId, WorkerId};
use crate::domain::run::Report;
use crate::domain::time::Timestamp;

/// How long a task may take when it does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_hours(1);

/// The kind of project a task belongs to when it does not say.
pub const DEFAULT_PROJECT_TYPE: &str = "code";

/// A piece of work for one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The task, as the scheduler knows it.
    pub id: TaskId,
    /// This run of it.
    pub run: RunId,
    /// The project its code is in; may be empty.
    pub project_id: String,
    /// What kind of project that is.
    pub project_type: String,
    /// Higher is more urgent.
    pub priority: i32,
    /// What the program is called with.
    pub params: BTreeMap<String, String>,
    /// What its environment holds besides.
    pub environment: BTreeMap<String, String>,
    /// How long it may run.
    pub timeout: Duration,
    /// Where its code is; may be empty.
    pub download_url: String,
    /// What its code hashes to; may be empty.
    pub file_hash: String,
    /// What to start.
    pub entry_point: String,
    /// Whether its code is packed.
    pub is_compressed: bool,
}

impl Task {
    /// A task of which nothing but its name is known; its run has the same name.
    pub fn new(id: TaskId) -> Self {
        Self {
            run: id.clone().into(),
            id,
            project_id: String::new(),
            project_type: DEFAULT_PROJECT_TYPE.to_owned(),
            priority: 0,
            params: BTreeMap::new(),
            environment: BTreeMap::new(),
            timeout: DEFAULT_TIMEOUT,
            download_url: String::new(),
            file_hash: String::new(),
            entry_point: String::new(),
            is_compressed: false,
        }
    }
}

/// A task in the hands of a worker, until its receipt is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What to settle it with.
    pub receipt: ReceiptId,
    /// The task itself.
    pub task: Task,
    /// How many times it has been handed out since it was last queued or given back, this time
    /// included. A delivery that never reached the worker does not count.
    pub deliveries: u32,
    /// How many times it was given back.
    pub returns: u32,
    /// Why it was given back the last time.
    pub reason: Option<String>,
}

/// What a worker says of a task it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with; it is not handed out again.
    Done,
    /// It cannot be run and goes back to the queue, for this reason.
    GivenBack(String),
}

/// What became of a receipt that was to be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was open and is settled now.
    Now,
    /// Nothing awaited it: it was settled before, or its delivery is no longer known.
    Before,
}

/// What tells a queue whether a worker still runs what it was handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The worker's process is new: it has forgotten all it held.
    Restarted,
    /// The worker lives, and runs so many tasks.
    Running(u32),
    /// The status of a run changed: it is being worked on.
    Progress(RunId),
}

/// How often a task may fail to be run before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Deliveries that end without a verdict.
    pub max_deliveries: u32,
    /// Times it may be given back.
    pub max_returns: u32,
}

impl Patience {
    /// Why `delivery` is not to be made, if its task has used up all its chances.
    pub fn exhausted(&self, delivery: &Delivery) -> Option<String> {
        if delivery.returns >= self.max_returns {
            let why = delivery.reason.as_deref().unwrap_or("no reason given");
            return Some(format!("given back {} times: {why}", delivery.returns));
        }
        (delivery.deliveries > self.max_deliveries).then(|| {
            format!(
                "delivered {} times without an end",
                delivery.deliveries.saturating_sub(1)
            )
        })
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            max_deliveries: 5,
            max_returns: 16,
        }
    }
}

/// Something that was queued and given up.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// What it is asked for by.
    pub id: LetterId,
    /// What was queued.
    pub content: Content,
    /// Whose it was.
    pub worker: WorkerId,
    /// Why it was given up.
    pub reason: String,
    /// How many times it was handed out.
    pub deliveries: u32,
    /// When it was given up.
    pub at: Timestamp,
}

/// What a [`DeadLetter`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A task.
    Task(Box<Task>),
    /// A result that can never be written.
    Result(Box<Report>),
    /// What cannot be read as what it should be, field by field as it was found.
    Unreadable(BTreeMap<String, String>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(deliveries: u32, returns: u32) -> Delivery {
        Delivery {
            receipt: ReceiptId::parse("1-0").expect("is an identifier"),
            task: Task::new(TaskId::parse("t").expect("is an identifier")),
            deliveries,
            returns,
            reason: (returns > 0).then(|| "no slot".to_owned()),
        }
    }

    #[test]
    fn a_task_is_given_up_after_its_last_delivery_and_not_before() {
        let patience = Patience::default();

        assert_eq!(patience.exhausted(&delivery(5, 0)), None);
        assert_eq!(
            patience.exhausted(&delivery(6, 0)),
            Some("delivered 5 times without an end".to_owned())
        );
    }

    #[test]
    fn a_task_that_is_always_given_back_is_given_up_with_the_last_reason() {
        let patience = Patience::default();

        assert_eq!(patience.exhausted(&delivery(1, 15)), None);
        assert_eq!(
            patience.exhausted(&delivery(1, 16)),
            Some("given back 16 times: no slot".to_owned())
        );
    }
}
