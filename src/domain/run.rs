//! Runs: what workers report of them, and which changes are lawful.

use std::str::FromStr;
use std::time::Duration;

use crate::domain::Invalid;
use crate::domain::id::{RunId, TaskId, WorkerId};
use crate::domain::time::Timestamp;

pub use data::Data;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// It waits at the worker.
    Queued,
    /// It runs.
    Running,
    /// It ended well.
    Success,
    /// It ended badly.
    Failed,
    /// It took too long.
    Timeout,
    /// It was called off.
    Cancelled,
    /// It was not needed.
    Skipped,
}

impl RunStatus {
    /// Every status there is.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Success,
        Self::Failed,
        Self::Timeout,
        Self::Cancelled,
        Self::Skipped,
    ];

    /// The name it is stored by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing comes after it.
    pub fn is_terminal(self) -> bool {
        self.rank() == TERMINAL
    }

    /// What it adds to the books of its task.
    pub fn tally(self) -> Option<Tally> {
        match self {
            Self::Success => Some(Tally::Success),
            Self::Failed | Self::Timeout => Some(Tally::Failure),
            Self::Queued | Self::Running | Self::Cancelled | Self::Skipped => None,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Queued => 1,
            Self::Running => 2,
            Self::Success | Self::Failed | Self::Timeout | Self::Cancelled | Self::Skipped => {
                TERMINAL
            }
        }
    }
}

const TERMINAL: u8 = 3;

impl FromStr for RunStatus {
    type Err = Invalid;

    /// Reads what workers write, in any case.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text.to_ascii_lowercase().as_str() {
            "queued" => Ok(Self::Queued),
            "running" => Ok(Self::Running),
            "success" | "succeeded" | "completed" => Ok(Self::Success),
            "failed" | "killed" => Ok(Self::Failed),
            "timeout" | "timed_out" => Ok(Self::Timeout),
            "cancelled" | "canceled" => Ok(Self::Cancelled),
            "skipped" => Ok(Self::Skipped),
            _ => Err(Invalid::text("status", STATUS_RULE, text)),
        }
    }
}

const STATUS_RULE: &str = "one of queued, running, success, failed, timeout, cancelled, skipped";

/// What a finished run adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// The runs that ended well.
    Success,
    /// The runs that failed or took too long.
    Failure,
}

/// Which of its two messages a worker said something by. Each has fields that the other lacks, and
/// those who pass a report on pass on what its message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Message {
    /// A change of status.
    #[default]
    Change,
    /// A whole result.
    Result,
}

/// What a worker says of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it was said.
    pub message: Message,
    /// The run.
    pub run: RunId,
    /// Its task, where that was said. Nobody has checked whether it is.
    pub task: Option<TaskId>,
    /// Who says so; it was authenticated.
    pub worker: WorkerId,
    /// How far the run is.
    pub status: RunStatus,
    /// When that was so.
    pub at: Timestamp,
    /// What the program returned.
    pub exit_code: Option<i32>,
    /// What went wrong; may be empty.
    pub error_message: String,
    /// When the run began.
    pub started_at: Option<Timestamp>,
    /// When the run ended.
    pub finished_at: Option<Timestamp>,
    /// How long it took, by the worker's own clock.
    pub duration: Option<Duration>,
    /// What it produced; merged over what is there, key by key.
    pub data: Data,
}

impl Report {
    /// A change to `status`, of which nothing else is said.
    pub fn new(run: RunId, worker: WorkerId, status: RunStatus, at: Timestamp) -> Self {
        Self {
            message: Message::Change,
            run,
            task: None,
            worker,
            status,
            at,
            exit_code: None,
            error_message: String::new(),
            started_at: None,
            finished_at: None,
            duration: None,
            data: Data::default(),
        }
    }
}

/// What is known of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// How far it is; none before the first report.
    pub status: Option<RunStatus>,
    /// The time of the report that said so.
    pub changed_at: Option<Timestamp>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How long it took.
    pub duration: Option<Duration>,
    /// What the program returned.
    pub exit_code: Option<i32>,
    /// What went wrong.
    pub error_message: Option<String>,
    /// What it produced.
    pub data: Data,
}

/// What a report did to its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The run changed.
    Changed {
        /// It left `queued` behind and runs now, for the first time.
        started: bool,
        /// What is to be added to its task's books.
        tally: Option<Tally>,
    },
    /// It said what was known already.
    Repeated,
    /// It came after a later one; nothing changed.
    Late,
    /// The run had ended another way; nothing changed.
    Conflict {
        /// How it had ended.
        ended: RunStatus,
    },
    /// The store is away: the report waits for it in a spool, and outlives this process there.
    Spooled,
    /// The report was handed on to whoever keeps the runs.
    Published,
}

impl Run {
    /// Takes `report` in, if it is lawful: a run moves forward, or stays where it is with a later
    /// time; it never moves back, and once it has ended it has ended.
    pub fn record(&mut self, report: &Report) -> Recorded {
        if let Some(refused) = self.refusal(report) {
            return refused;
        }
        let started = report.status == RunStatus::Running && self.status != Some(report.status);
        self.status = Some(report.status);
        self.changed_at = Some(report.at);
        self.exit_code = report.exit_code.or(self.exit_code);
        if !report.error_message.is_empty() {
            self.error_message = Some(report.error_message.clone());
        }
        if self.started_at.is_none() && report.status != RunStatus::Queued {
            let running = report.status == RunStatus::Running;
            self.started_at = report.started_at.or(running.then_some(report.at));
        }
        if report.status.is_terminal() {
            self.ended_at = Some(report.at);
            self.duration = report.duration.or_else(|| self.between());
        }
        self.data.merge(&report.data);
        Recorded::Changed {
            started,
            tally: report.status.tally(),
        }
    }

    /// What to answer to a report that changes nothing.
    fn refusal(&self, report: &Report) -> Option<Recorded> {
        let status = self.status?;
        if status.is_terminal() {
            return Some(if status == report.status {
                Recorded::Repeated
            } else if report.status.is_terminal() {
                Recorded::Conflict { ended: status }
            } else {
                Recorded::Late
            });
        }
        if report.status.rank() < status.rank() {
            return Some(Recorded::Late);
        }
        if report.status != status || self.changed_at < Some(report.at) {
            return None;
        }
        let same = self.changed_at == Some(report.at);
        Some(if same {
            Recorded::Repeated
        } else {
            Recorded::Late
        })
    }

    /// The time from start to end, if both are known and in this order.
    fn between(&self) -> Option<Duration> {
        let elapsed = self.ended_at?.duration_since(self.started_at?);
        Duration::try_from(elapsed).ok()
    }
}

mod data;
mod fields;
#[cfg(test)]
mod tests;
