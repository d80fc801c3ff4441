use proptest::prelude::*;
use serde_json::json;

use super::*;

fn report(status: RunStatus, second: i64) -> Report {
    Report::new(
        RunId::parse("r").expect("is an identifier"),
        WorkerId::parse("w").expect("is an identifier"),
        status,
        Timestamp::from_second(second).expect("is in range"),
    )
}

fn reports() -> impl Strategy<Value = Vec<Report>> {
    let one = (prop::sample::select(&RunStatus::ALL[..]), 0_i64..10)
        .prop_map(|(status, second)| report(status, second));
    prop::collection::vec(one, 1..40)
}

proptest! {
    #[test]
    fn a_run_never_moves_back_and_ends_once(reports in reports()) {
        let mut run = Run::default();
        let mut tallies = 0;
        for report in &reports {
            let before = run.clone();
            let recorded = run.record(report);

            let rank = |run: &Run| run.status.map_or(0, RunStatus::rank);
            prop_assert!(rank(&run) >= rank(&before));
            if before.status.is_some_and(RunStatus::is_terminal) {
                prop_assert_eq!(&run, &before);
            }
            match recorded {
                Recorded::Changed { tally, .. } => tallies += usize::from(tally.is_some()),
                Recorded::Repeated | Recorded::Late | Recorded::Conflict { .. } => {
                    prop_assert_eq!(&run, &before);
                }
                Recorded::Spooled | Recorded::Published => {
                    prop_assert!(false, "{recorded:?} is for stores to say");
                }
            }
        }
        prop_assert!(tallies <= 1);
    }

    #[test]
    fn the_first_end_wins_whatever_comes_around_it(reports in reports()) {
        let mut run = Run::default();
        for report in &reports {
            run.record(report);
        }

        let first = reports.iter().map(|report| report.status).find(|status| status.is_terminal());
        prop_assert_eq!(run.status.filter(|status| status.is_terminal()), first);
    }

    #[test]
    fn saying_it_twice_changes_nothing(reports in reports()) {
        let mut run = Run::default();
        for report in &reports {
            run.record(report);
            let once = run.clone();
            let again = run.record(report);

            prop_assert_eq!(&run, &once);
            let changed = matches!(again, Recorded::Changed { .. });
            prop_assert!(!changed);
        }
    }
}

#[test]
fn every_spelling_of_the_field_is_understood() {
    let spellings = [
        ("queued", RunStatus::Queued),
        ("Running", RunStatus::Running),
        ("SUCCESS", RunStatus::Success),
        ("succeeded", RunStatus::Success),
        ("completed", RunStatus::Success),
        ("failed", RunStatus::Failed),
        ("killed", RunStatus::Failed),
        ("timeout", RunStatus::Timeout),
        ("timed_out", RunStatus::Timeout),
        ("cancelled", RunStatus::Cancelled),
        ("canceled", RunStatus::Cancelled),
        ("skipped", RunStatus::Skipped),
    ];
    for (text, status) in spellings {
        assert_eq!(text.parse(), Ok(status), "{text}");
    }

    let refusal = "done".parse::<RunStatus>().expect_err("is no status");
    assert_eq!(refusal.field, "status");
}

#[test]
fn an_early_report_of_the_same_status_is_late() {
    let mut run = Run::default();
    run.record(&report(RunStatus::Running, 5));

    assert_eq!(run.record(&report(RunStatus::Running, 4)), Recorded::Late);
    assert_eq!(run.record(&report(RunStatus::Queued, 9)), Recorded::Late);
    assert_eq!(
        run.record(&report(RunStatus::Running, 6)),
        Recorded::Changed {
            started: false,
            tally: None
        }
    );
}

#[test]
fn another_end_is_a_conflict_that_names_the_first() {
    let mut run = Run::default();
    run.record(&report(RunStatus::Timeout, 5));

    assert_eq!(
        run.record(&report(RunStatus::Success, 9)),
        Recorded::Conflict {
            ended: RunStatus::Timeout
        }
    );
    assert_eq!(
        run.record(&report(RunStatus::Timeout, 9)),
        Recorded::Repeated
    );
    assert_eq!(run.record(&report(RunStatus::Running, 9)), Recorded::Late);
}

#[test]
fn the_duration_is_the_workers_or_else_that_between_the_two_times() {
    let mut told = Run::default();
    told.record(&Report {
        duration: Some(Duration::from_millis(1500)),
        ..report(RunStatus::Success, 9)
    });
    assert_eq!(told.duration, Some(Duration::from_millis(1500)));

    let mut reckoned = Run::default();
    reckoned.record(&report(RunStatus::Running, 5));
    reckoned.record(&report(RunStatus::Success, 9));
    assert_eq!(reckoned.duration, Some(Duration::from_secs(4)));

    let mut unknown = Run::default();
    unknown.record(&report(RunStatus::Success, 9));
    assert_eq!(unknown.duration, None);
}

#[test]
fn data_is_merged_key_by_key() {
    let mut run = Run::default();
    let data = |value: serde_json::Value| Data::parse(&value.to_string()).expect("is an object");
    run.record(&Report {
        data: data(json!({"a": 1, "b": {"x": 1}})),
        ..report(RunStatus::Running, 1)
    });
    run.record(&Report {
        data: data(json!({"b": {"y": 2}, "c": null})),
        ..report(RunStatus::Success, 2)
    });

    assert_eq!(run.data, data(json!({"a": 1, "b": {"y": 2}, "c": null})));
}

#[test]
fn each_status_has_the_name_it_is_stored_by_and_its_place_in_the_books() {
    let table = [
        (RunStatus::Queued, "queued", None),
        (RunStatus::Running, "running", None),
        (RunStatus::Success, "success", Some(Tally::Success)),
        (RunStatus::Failed, "failed", Some(Tally::Failure)),
        (RunStatus::Timeout, "timeout", Some(Tally::Failure)),
        (RunStatus::Cancelled, "cancelled", None),
        (RunStatus::Skipped, "skipped", None),
    ];
    for (status, name, tally) in table {
        assert_eq!((status.as_str(), status.tally()), (name, tally));
        assert_eq!(name.parse(), Ok(status));
    }
}

#[test]
fn a_run_starts_once() {
    let mut run = Run::default();
    let changed = |started| Recorded::Changed {
        started,
        tally: None,
    };

    assert_eq!(run.record(&report(RunStatus::Queued, 1)), changed(false));
    assert_eq!(run.started_at, None);
    assert_eq!(run.record(&report(RunStatus::Running, 2)), changed(true));
    assert_eq!(run.record(&report(RunStatus::Running, 3)), changed(false));
    assert_eq!(run.started_at.map(Timestamp::as_second), Some(2));
}

#[test]
fn what_went_wrong_is_not_forgotten_for_a_report_that_does_not_say() {
    let mut run = Run::default();
    run.record(&Report {
        error_message: "no space".into(),
        exit_code: Some(1),
        ..report(RunStatus::Running, 1)
    });
    run.record(&report(RunStatus::Failed, 2));

    assert_eq!(run.error_message.as_deref(), Some("no space"));
    assert_eq!(run.exit_code, Some(1));
}
