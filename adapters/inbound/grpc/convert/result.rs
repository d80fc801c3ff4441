//! What became of runs.

use std::time::Duration;

use gateway_core::domain::Invalid;
use gateway_core::domain::id::{RunId, TaskId, WorkerId};
use gateway_core::domain::run::{Data, Message, Report, RunStatus};
use gateway_core::domain::time::{self, Timestamp};

use crate::inbound::grpc::proto;

/// Keys of a result's data: each takes more memory than it may have taken on the wire.
const MAX_KEYS: usize = 1_000_000;

/// A result. Its time is that of its end, else of its start, else `now`.
pub(in crate::inbound::grpc) fn report(
    request: proto::ReportResultRequest,
    worker: WorkerId,
    now: Timestamp,
) -> Result<Report, Invalid> {
    let task = TaskId::parse_optional(&request.task_id)?;
    let run = match RunId::parse_optional(&request.run_id)? {
        Some(run) => run,
        None => named_by(task.clone())?,
    };
    let status: RunStatus = request.status.parse()?;
    let started_at = time::parse("started_at", &request.started_at)?;
    let finished_at = time::parse("finished_at", &request.finished_at)?;
    Ok(Report {
        message: Message::Result,
        run,
        task,
        worker,
        status,
        at: finished_at.or(started_at).unwrap_or(now),
        // A run that has not ended has no exit code, though the message cannot leave it out.
        exit_code: status.is_terminal().then_some(request.exit_code),
        error_message: request.error_message,
        started_at,
        finished_at,
        duration: duration(request.duration_ms)?,
        data: object(&request.data_json)?,
    })
}

/// A change of status that came over the live channel.
pub(in crate::inbound::grpc) fn change(
    status: proto::TaskStatus,
    worker: WorkerId,
    now: Timestamp,
) -> Result<Report, Invalid> {
    let at = super::time(status.timestamp)?.unwrap_or(now);
    let run = RunId::parse(&status.run_id)?;
    Ok(Report {
        exit_code: status.exit_code,
        error_message: status.error_message.unwrap_or_default(),
        ..Report::new(run, worker, status.status.parse()?, at)
    })
}

fn named_by(task: Option<TaskId>) -> Result<RunId, Invalid> {
    let rule = "given, or else task_id";
    task.map(RunId::from)
        .ok_or_else(|| Invalid::text("run_id", rule, ""))
}

/// 0 is what a worker sends that did not measure.
fn duration(millis: i64) -> Result<Option<Duration>, Invalid> {
    match u64::try_from(millis) {
        Ok(0) => Ok(None),
        Ok(millis) => Ok(Some(Duration::from_millis(millis))),
        Err(_) => Err(Invalid::number(
            "duration_ms",
            "0 or more milliseconds",
            &millis,
        )),
    }
}

fn object(text: &str) -> Result<Data, Invalid> {
    if text.is_empty() {
        return Ok(Data::default());
    }
    Data::parse_up_to(MAX_KEYS, text).map_err(|_| {
        let rule = "a JSON object of at most 1000000 keys and 128 levels, or empty";
        Invalid::text("data_json", rule, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> WorkerId {
        WorkerId::parse("w-1").expect("is an identifier")
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1_000).expect("is in range")
    }

    fn request() -> proto::ReportResultRequest {
        proto::ReportResultRequest {
            run_id: "r".into(),
            status: "success".into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_time_of_a_result_is_that_of_its_end_or_start_or_arrival() {
        let (start, end) = ("1970-01-01T00:00:10", "1970-01-01T08:00:20+08:00");
        for (started_at, finished_at, second) in
            [(start, end, 20), (start, "", 10), ("", "", 1_000)]
        {
            let request = proto::ReportResultRequest {
                started_at: started_at.into(),
                finished_at: finished_at.into(),
                ..request()
            };
            let report = report(request, worker(), now()).expect("converts");
            assert_eq!(report.at.as_second(), second);
        }
    }

    #[test]
    fn a_result_without_a_run_is_of_the_run_its_task_names() {
        let of = |run_id: &str, task_id: &str| {
            let request = proto::ReportResultRequest {
                run_id: run_id.into(),
                task_id: task_id.into(),
                ..request()
            };
            let report = report(request, worker(), now())?;
            Ok::<_, Invalid>((report.run.to_string(), report.task))
        };
        let task = |id| TaskId::parse_optional(id).expect("is an identifier");

        assert_eq!(of("r", "t"), Ok(("r".to_owned(), task("t"))));
        assert_eq!(of("r", ""), Ok(("r".to_owned(), None)));
        assert_eq!(of("", "t"), Ok(("t".to_owned(), task("t"))));
        assert_eq!(of("", "").expect_err("is refused").field, "run_id");
    }

    #[test]
    fn a_run_that_goes_on_has_no_exit_code() {
        for (status, exit_code) in [("running", None), ("success", Some(0))] {
            let request = proto::ReportResultRequest {
                status: status.into(),
                ..request()
            };
            let report = report(request, worker(), now()).expect("converts");
            assert_eq!(report.exit_code, exit_code, "{status}");
        }
    }

    #[test]
    fn data_is_an_object_or_nothing() {
        for data_json in ["[1]", "null", "{", "3"] {
            let request = proto::ReportResultRequest {
                data_json: data_json.into(),
                ..request()
            };
            let refusal = report(request, worker(), now()).expect_err("is refused");
            assert_eq!(refusal.field, "data_json", "{data_json}");
        }
    }

    #[test]
    fn a_change_keeps_what_is_absent_absent() {
        let status = proto::TaskStatus {
            run_id: "r".into(),
            status: "RUNNING".into(),
            ..Default::default()
        };

        let report = change(status, worker(), now()).expect("converts");
        assert_eq!(
            (report.status, report.exit_code),
            (RunStatus::Running, None)
        );
        assert_eq!(report.at, now());
        assert_eq!((report.message, report.task), (Message::Change, None));
    }
}
