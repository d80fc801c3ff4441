//! A report as the Master reads it.

use std::time::Duration;

use gateway_core::domain::run::{Message, Report};
use gateway_core::domain::time::Timestamp;

use super::super::reports::Fields;
use super::super::time::iso;

/// The fields of an entry. Empty texts, absent times and an empty object are left out; of a whole
/// result zeros are not, and a change of status has the fields of its own alone.
pub(in super::super) fn of(report: &Report) -> Fields {
    let whole = report.message == Message::Result;
    let mut fields = vec![("run_id", report.run.to_string())];
    if let Some(task) = report.task.as_ref().filter(|_| whole) {
        fields.push(("task_id", task.to_string()));
    }
    fields.push(("status", report.status.as_str().to_owned()));
    if let Some(code) = report.exit_code.or(whole.then_some(0)) {
        fields.push(("exit_code", code.to_string()));
    }
    if !report.error_message.is_empty() {
        fields.push(("error_message", report.error_message.clone()));
    }
    if whole {
        fields.extend(rest_of_result(report));
    } else {
        // A change has one time, and this is the name that the Master knows it by.
        fields.extend(time("started_at", report.started_at.or(Some(report.at))));
    }
    fields
}

fn rest_of_result(report: &Report) -> Fields {
    let mut fields = Vec::with_capacity(4);
    fields.extend(time("started_at", report.started_at));
    fields.extend(time("finished_at", report.finished_at));
    let duration = report.duration.unwrap_or(Duration::ZERO);
    fields.push(("duration_ms", duration.as_millis().to_string()));
    if !report.data.is_empty() {
        fields.push(("data", report.data.to_string()));
    }
    fields
}

fn time(name: &'static str, at: Option<Timestamp>) -> Option<(&'static str, String)> {
    at.map(|at| (name, iso(at)))
}

#[cfg(test)]
mod tests {
    use gateway_core::domain::id::{RunId, TaskId, WorkerId};
    use gateway_core::domain::run::{Data, RunStatus};
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("is a time")
    }

    fn change(status: RunStatus) -> Report {
        let run = RunId::parse("r").expect("is an identifier");
        let worker = WorkerId::parse("w").expect("is an identifier");
        Report::new(run, worker, status, at(10))
    }

    fn result(status: RunStatus) -> Report {
        Report {
            message: Message::Result,
            ..change(status)
        }
    }

    fn told(report: &Report) -> Vec<(&'static str, String)> {
        of(report)
    }

    fn pairs(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn a_result_has_all_it_says_in_the_order_of_the_contract() {
        let data = json!({"rows": 3, "an": {"a": [1]}}).to_string();
        let report = Report {
            task: Some(TaskId::parse("t").expect("is an identifier")),
            exit_code: Some(-9),
            error_message: "没有\n".into(),
            started_at: Some(at(0)),
            finished_at: Some(at(10)),
            duration: Some(Duration::from_micros(9_999_900)),
            data: Data::parse(&data).expect("is an object"),
            ..result(RunStatus::Failed)
        };

        let fields = [
            ("run_id", "r"),
            ("task_id", "t"),
            ("status", "failed"),
            ("exit_code", "-9"),
            ("error_message", "没有\n"),
            ("started_at", "2027-01-15T08:00:00.000000+00:00"),
            ("finished_at", "2027-01-15T08:00:10.000000+00:00"),
            ("duration_ms", "9999"),
            ("data", r#"{"an":{"a":[1]},"rows":3}"#),
        ];
        assert_eq!(told(&report), pairs(&fields));
    }

    #[test]
    fn what_is_not_said_is_left_out_but_zeros_are_not() {
        for status in [RunStatus::Success, RunStatus::Running] {
            let fields = [
                ("run_id", "r"),
                ("status", status.as_str()),
                ("exit_code", "0"),
                ("duration_ms", "0"),
            ];
            assert_eq!(told(&result(status)), pairs(&fields));
        }
    }

    #[test]
    fn a_change_of_status_has_its_own_fields_alone() {
        let time = ("started_at", "2027-01-15T08:00:10.000000+00:00");
        let running = change(RunStatus::Running);
        let fields = [("run_id", "r"), ("status", "running"), time];
        assert_eq!(told(&running), pairs(&fields));

        let failed = Report {
            task: Some(TaskId::parse("t").expect("is an identifier")),
            exit_code: Some(0),
            error_message: "killed".into(),
            ..change(RunStatus::Failed)
        };
        let fields = [
            ("run_id", "r"),
            ("status", "failed"),
            ("exit_code", "0"),
            ("error_message", "killed"),
            time,
        ];
        assert_eq!(told(&failed), pairs(&fields));
    }
}
