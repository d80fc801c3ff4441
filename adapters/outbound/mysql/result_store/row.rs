//! A run as its row tells of it.

use std::time::Duration;

use diesel::Queryable;
use gateway_core::domain::run::{Data, Run, RunStatus};
use gateway_core::domain::time::Timestamp;
use tracing::warn;

use super::super::zone::Zone;

/// A row of `schema::lock_runs`.
#[derive(Debug, Queryable)]
pub(super) struct Row {
    /// By which name it was found.
    pub(super) name: String,
    /// Whether that is its `run_id` (0) or its `public_id` (1).
    pub(super) place: i64,
    /// Nothing from here on, if somebody else holds the row.
    pub(super) id: Option<i64>,
    pub(super) task: Option<i64>,
    pub(super) worker: Option<i64>,
    dispatch_status: Option<String>,
    status: Option<String>,
    runtime_status: Option<String>,
    changed_at: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
    seconds: Option<f64>,
    exit_code: Option<i32>,
    data: Option<String>,
}

impl Row {
    /// Whether the run has yet to be acknowledged by a worker.
    ///
    /// `pending`, `dispatching` and `dispatched` come before `acked`. `rejected`, `timeout` and
    /// `failed` are ends that the Master gave to the dispatch; they stay, as does any word that
    /// is not known here, for whoever wrote it.
    pub(super) fn is_unacknowledged(&self) -> bool {
        let status = self.dispatch_status.as_deref();
        matches!(status, Some("pending" | "dispatching" | "dispatched"))
    }

    /// The run, as the core knows it. One of `hints` is meant where the clock on the wall is
    /// ambiguous.
    ///
    /// The message of an error is left out: it is replaced, or stays, and never read.
    pub(super) fn run(&self, zone: &Zone, hints: &[Timestamp]) -> Run {
        let instant = |wall: &Option<String>| zone.instant(wall.as_deref()?, hints);
        let duration = self.seconds.map(Duration::try_from_secs_f64);
        Run {
            status: standing(self.status.as_deref(), self.runtime_status.as_deref()),
            changed_at: instant(&self.changed_at),
            started_at: instant(&self.started_at),
            ended_at: instant(&self.ended_at),
            duration: duration.and_then(Result::ok),
            exit_code: self.exit_code,
            error_message: None,
            data: self.data(),
        }
    }

    /// What the run has produced so far.
    ///
    /// What is no JSON object cannot have anything merged over it. A report is worth more than it:
    /// the first that brings data replaces it. One that brings none leaves it alone if it is JSON,
    /// and removes it if it is not even that.
    fn data(&self) -> Data {
        let text = self.data.as_deref().filter(|text| *text != "null");
        text.map_or_else(Data::default, |text| {
            Data::parse(text).unwrap_or_else(|error| {
                warn!(run = self.name, %error, "result_data of a run is no JSON object");
                Data::default()
            })
        })
    }
}

/// How far a run is, by its two columns.
///
/// `runtime_status` is what workers said. The Master may end a run by `status` alone, before a
/// worker said anything or while it says `running`: that is an end like any other, and the first
/// one stands. Any other word of `status` is about the dispatch, or about what workers said before,
/// and tells nothing.
pub(super) fn standing(status: Option<&str>, runtime_status: Option<&str>) -> Option<RunStatus> {
    let read = |text: Option<&str>| text?.parse::<RunStatus>().ok();
    let reported = read(runtime_status);
    if reported.is_some_and(RunStatus::is_terminal) {
        return reported;
    }
    read(status)
        .filter(|status| status.is_terminal())
        .or(reported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            name: "r".into(),
            place: 0,
            id: Some(1),
            task: Some(2),
            worker: None,
            dispatch_status: Some("pending".into()),
            status: Some("pending".into()),
            runtime_status: None,
            changed_at: None,
            started_at: None,
            ended_at: None,
            seconds: None,
            exit_code: None,
            data: None,
        }
    }

    fn utc() -> Zone {
        Zone::named("UTC").expect("is a zone")
    }

    #[test]
    fn a_fresh_row_is_a_fresh_run() {
        assert_eq!(row().run(&utc(), &[]), Run::default());
    }

    #[test]
    fn the_first_end_stands_whoever_wrote_it() {
        use RunStatus::{Cancelled, Failed, Queued, Running, Success};
        for (status, reported, standing) in [
            ("pending", None, None),
            ("dispatching", None, None),
            ("queued", None, None),
            ("running", None, None),
            ("running", Some("queued"), Some(Queued)),
            ("running", Some("running"), Some(Running)),
            ("success", None, Some(Success)),
            ("cancelled", Some("running"), Some(Cancelled)),
            ("success", Some("failed"), Some(Failed)),
            ("running", Some("failed"), Some(Failed)),
            ("strange", Some("stranger"), None),
        ] {
            let found = super::standing(Some(status), reported);
            assert_eq!(found, standing, "{status} and {reported:?}");
        }
    }

    #[test]
    fn only_what_comes_before_it_is_acknowledged() {
        for (status, before) in [
            ("pending", true),
            ("dispatching", true),
            ("dispatched", true),
            ("acked", false),
            ("rejected", false),
            ("timeout", false),
            ("failed", false),
            ("new_word", false),
        ] {
            let row = Row {
                dispatch_status: Some(status.into()),
                ..row()
            };
            assert_eq!(row.is_unacknowledged(), before, "{status}");
        }
    }

    // MySQL gives the text of a JSON column in its own spelling, MariaDB as it was written.
    #[test]
    fn data_is_read_however_it_is_spelled() {
        for (text, keys) in [
            (r#"{"a": 1, "b": [true, null]}"#, 2),
            (r#"{"b":[true,null],"a":1.0e0}"#, 2),
            ("null", 0),
            ("", 0),
            ("[1, 2]", 0),
            ("\"text\"", 0),
            ("{\"a\":", 0),
        ] {
            let row = Row {
                data: Some(text.into()),
                ..row()
            };
            assert_eq!(row.run(&utc(), &[]).data.len(), keys, "{text}");
        }
    }

    #[test]
    fn nonsense_in_a_column_is_as_nothing() {
        let row = Row {
            changed_at: Some("0000-00-00 00:00:00.000000".into()),
            seconds: Some(-1.0),
            ..row()
        };
        assert_eq!(row.run(&utc(), &[]), Run::default());
    }
}
