//! A report as named texts, for stores that know nothing but text.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Data, Message, Report, RunStatus};
use crate::domain::Invalid;
use crate::domain::id::{RunId, TaskId, WorkerId};
use crate::domain::time::{self, Timestamp};

/// What a whole result is marked by; a change of status is not marked.
const RESULT: &str = "result";

impl Report {
    /// The report as named texts; what it does not say is left out.
    pub fn to_fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("run_id", self.run.to_string()),
            ("worker_id", self.worker.to_string()),
            ("status", self.status.as_str().to_owned()),
            ("at", self.at.to_string()),
        ];
        if !self.error_message.is_empty() {
            fields.push(("error_message", self.error_message.clone()));
        }
        if !self.data.is_empty() {
            fields.push(("data", self.data.to_string()));
        }
        let mut say = |name, said: Option<String>| {
            fields.extend(said.map(|text| (name, text)));
        };
        let whole = self.message == Message::Result;
        say("message", whole.then(|| RESULT.to_owned()));
        say("task_id", self.task.as_ref().map(TaskId::to_string));
        say("exit_code", self.exit_code.map(|code| code.to_string()));
        say("started_at", self.started_at.map(|time| time.to_string()));
        say("finished_at", self.finished_at.map(|time| time.to_string()));
        say(
            "duration_us",
            self.duration.map(|time| time.as_micros().to_string()),
        );
        fields
    }

    /// The report that such texts tell of.
    ///
    /// # Errors
    ///
    /// [`Invalid`], naming the first text that breaks its rule.
    pub fn from_fields(fields: &BTreeMap<String, String>) -> Result<Self, Invalid> {
        let text = |name: &str| fields.get(name).map_or("", String::as_str);
        let Some(at) = time::parse("at", text("at"))? else {
            return Err(Invalid::text("at", "given", ""));
        };
        let data = match text("data") {
            "" => Data::default(),
            data => Data::parse(data)
                .map_err(|_| Invalid::text("data", "a JSON object, or empty", data))?,
        };
        Ok(Self {
            message: message(text("message"))?,
            task: TaskId::parse_optional(text("task_id"))?,
            exit_code: number("exit_code", text("exit_code"))?,
            error_message: text("error_message").to_owned(),
            started_at: time::parse("started_at", text("started_at"))?,
            finished_at: time::parse("finished_at", text("finished_at"))?,
            duration: number("duration_us", text("duration_us"))?.map(Duration::from_micros),
            data,
            ..Self::of(text, at)?
        })
    }

    fn of<'a>(text: impl Fn(&str) -> &'a str, at: Timestamp) -> Result<Self, Invalid> {
        let run = RunId::parse(text("run_id"))?;
        let worker = WorkerId::parse(text("worker_id"))?;
        let status: RunStatus = text("status").parse()?;
        Ok(Self::new(run, worker, status, at))
    }
}

fn message(text: &str) -> Result<Message, Invalid> {
    match text {
        "" => Ok(Message::Change),
        RESULT => Ok(Message::Result),
        _ => Err(Invalid::text("message", "result, or empty", text)),
    }
}

fn number<N: std::str::FromStr>(field: &'static str, text: &str) -> Result<Option<N>, Invalid> {
    match text {
        "" => Ok(None),
        text => {
            let number = text.parse().map(Some);
            number.map_err(|_| Invalid::text(field, "a whole number, or empty", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn fields(report: &Report) -> BTreeMap<String, String> {
        let fields = report.to_fields().into_iter();
        fields.map(|(name, text)| (name.to_owned(), text)).collect()
    }

    fn report() -> Report {
        let run = RunId::parse("r").expect("is an identifier");
        let worker = WorkerId::parse("w").expect("is an identifier");
        Report::new(run, worker, RunStatus::Failed, Timestamp::UNIX_EPOCH)
    }

    proptest! {
        #[test]
        fn a_report_round_trips(
            exit_code in any::<Option<i32>>(),
            error_message in ".{0,40}",
            times in any::<[Option<u32>; 2]>(),
            micros in any::<Option<u64>>(),
            value in any::<(String, i64)>(),
            task in "[a-z]{0,2}",
        ) {
            let time = |second: u32| {
                Timestamp::from_microsecond(i64::from(second) * 1_001).expect("is in range")
            };
            let data = json!({ value.0: value.1, "nested": { "a": [null, true] } });
            let (message, task) = match TaskId::parse(&task) {
                Ok(task) => (Message::Result, Some(task)),
                Err(_) => (Message::Change, None),
            };
            let report = Report {
                message,
                task,
                exit_code,
                error_message,
                started_at: times[0].map(time),
                finished_at: times[1].map(time),
                duration: micros.map(Duration::from_micros),
                data: Data::parse(&data.to_string()).expect("is an object"),
                ..report()
            };

            prop_assert_eq!(Report::from_fields(&fields(&report)), Ok(report));
        }
    }

    #[test]
    fn what_is_not_said_is_left_out() {
        let fields = fields(&report());
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(names, ["at", "run_id", "status", "worker_id"]);
    }

    #[test]
    fn the_first_text_that_breaks_its_rule_is_named() {
        for (name, text) in [
            ("run_id", ""),
            ("worker_id", "a:b"),
            ("message", "x"),
            ("task_id", "a:b"),
            ("status", "gone"),
            ("at", "soon"),
            ("at", ""),
            ("data", "[]"),
            ("exit_code", "x"),
            ("duration_us", "-1"),
        ] {
            let mut fields = fields(&report());
            fields.insert(name.to_owned(), text.to_owned());
            let refusal = Report::from_fields(&fields).expect_err("is refused");
            assert_eq!(refusal.field, name);
        }
    }
}
