use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use super::*;

/// What a store was told of, as it came.
type Written = Arc<Mutex<Vec<(String, RunStatus)>>>;

fn note(written: &Written, report: &Report) {
    let one = (report.run.to_string(), report.status);
    written.lock().expect("is whole").push(one);
}

fn settled(ids: &[&str]) -> Event {
    Event::Settled(ids.iter().map(|id| (*id).to_owned()).collect())
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_and_each_run_in_its_order() {
    let (tell, mut told) = events();
    let waiting: Vec<_> = (0..200)
        .map(|place| {
            let status = match place / 100 {
                0 => RunStatus::Running,
                _ => RunStatus::Success,
            };
            (report(&format!("r-{}", place % 100), status), 1)
        })
        .collect();
    let written = Written::default();
    let noted = written.clone();
    let store = store(move |report| {
        note(&noted, report);
        Ok(Recorded::Repeated)
    });

    let spooled = spooled(store, spool(&shelf(&waiting), &tell), &tell);
    // One, whether the store is there; then as many as go together.
    for batch in [1, 64, 64, 64, 7] {
        let Some(Event::Settled(ids)) = told.recv().await else {
            panic!("is settled");
        };
        assert_eq!(ids.len(), batch);
    }
    let mut backlog = spooled.backlog();
    let drained = backlog.wait_for(|backlog| backlog.depth == 0).await;
    drained.expect("lives as long as the store");
    let mut runs = BTreeMap::<String, Vec<RunStatus>>::new();
    for (run, status) in written.lock().expect("is whole").drain(..) {
        runs.entry(run).or_default().push(status);
    }
    assert_eq!(runs.len(), 100);
    for (run, statuses) in runs {
        assert_eq!(statuses, [RunStatus::Running, RunStatus::Success], "{run}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_buried_and_conflicts_are_written_down() {
    let (tell, mut told) = events();
    let waiting = ["conflict", "late", "theirs", "unwritable"];
    let waiting = waiting.map(|of| (report(of, RunStatus::Success), 1));
    let store = store(|report| match report.run.as_str() {
        "conflict" => Ok(Recorded::Conflict {
            ended: RunStatus::Failed,
        }),
        "late" => Ok(Recorded::Late),
        "theirs" => Err(ResultError::NotTheirs {
            run: report.run.clone(),
            worker: report.worker.clone(),
        }),
        _ => Err(unwritable(report)),
    });

    let _spooled = spooled(store, buries(spool(&shelf(&waiting), &tell), &tell), &tell);
    for event in [
        Event::Audited("conflicted"),
        settled(&["0-0"]),
        Event::Buried("theirs".into(), "run theirs is not w's".into()),
        Event::Audited("result_buried"),
        Event::Buried("unwritable".into(), "too long".into()),
        Event::Audited("result_buried"),
        settled(&["1-0", "2-0", "3-0"]),
    ] {
        assert_eq!(told.recv().await, Some(event));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_runs_are_waited_for_and_hold_up_nobody() {
    let (tell, mut told) = events();
    let waiting = [("new", 59), ("old", 60), ("known", 1)];
    let waiting = waiting.map(|(of, waited)| (report(of, RunStatus::Success), waited));
    let shelf = shelf(&waiting);
    let store = store(|report| match report.run.as_str() {
        "known" => Ok(Recorded::Repeated),
        _ => Err(ResultError::UnknownRun(report.run.clone())),
    });

    let _spooled = spooled(store, buries(spool(&shelf, &tell), &tell), &tell);
    for event in [
        Event::Buried("old".into(), "unknown run".into()),
        Event::Audited("result_buried"),
        settled(&["2-0", "1-0"]),
    ] {
        assert_eq!(told.recv().await, Some(event));
    }
    // It is still there, and in our hands until its lease is over.
    let left: Vec<_> = shelf.lock().expect("is whole").clone();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].0.report.run.as_str(), left[0].1), ("new", true));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_run_that_cannot_be_buried_stays() {
    let (tell, mut told) = events();
    let shelf = shelf(&["old", "known"].map(|of| (report(of, RunStatus::Success), 100)));
    let store = store(|report| match report.run.as_str() {
        "known" => Ok(Recorded::Repeated),
        _ => Err(ResultError::UnknownRun(report.run.clone())),
    });
    let mut spool = spool(&shelf, &tell);
    spool.expect_bury().returning(|_, _| Err(spool_away()));

    let _spooled = spooled(store, spool, &tell);
    assert_eq!(told.recv().await, Some(settled(&["1-0"])));
    assert_eq!(shelf.lock().expect("is whole").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_is_tried_again_with_one_and_nothing_is_lost() {
    let (tell, mut told) = events();
    let waiting: Vec<_> = (0..3)
        .map(|place| (report(&format!("r-{place}"), RunStatus::Success), 1))
        .collect();
    let serves = Arc::new(AtomicBool::new(false));
    let back = serves.clone();
    let store = store(move |_| {
        if back.load(Ordering::SeqCst) {
            Ok(Recorded::Repeated)
        } else {
            Err(away())
        }
    });

    let _spooled = spooled(store, spool(&shelf(&waiting), &tell), &tell);
    for _ in 0..3 {
        let released = Event::Released(vec!["0-0".into()]);
        assert_eq!(told.recv().await, Some(released));
    }
    serves.store(true, Ordering::SeqCst);
    assert_eq!(told.recv().await, Some(settled(&["0-0"])));
    assert_eq!(told.recv().await, Some(settled(&["1-0", "2-0"])));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_serves_again_is_drained_into_at_once() {
    let (tell, mut told) = events();
    let shelf = shelf(&[(report("waits", RunStatus::Success), 1)]);
    let serves = Arc::new(AtomicBool::new(false));
    let back = serves.clone();
    let store = store(move |_| {
        if back.load(Ordering::SeqCst) {
            Ok(Recorded::Repeated)
        } else {
            Err(away())
        }
    });
    let spooled = spooled(store, spool(&shelf, &tell), &tell);
    // By now the pauses are as long as they get.
    for _ in 0..6 {
        assert!(matches!(told.recv().await, Some(Event::Released(_))));
    }

    serves.store(true, Ordering::SeqCst);
    let begun = tokio::time::Instant::now();
    let fresh = spooled.record(&report("fresh", RunStatus::Success)).await;
    assert_eq!(fresh.expect("is taken"), Recorded::Repeated);
    assert_eq!(told.recv().await, Some(settled(&["0-0"])));
    // Time that is not awaited does not pass here.
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_first_report_does_not_come_through_keeps_its_order() {
    let (tell, mut told) = events();
    let waiting = [
        (report("other", RunStatus::Success), 1),
        (report("r", RunStatus::Running), 1),
        (report("r", RunStatus::Success), 1),
    ];
    let tries = AtomicU64::new(0);
    let store = store(move |report| {
        let first =
            report.status == RunStatus::Running && tries.fetch_add(1, Ordering::SeqCst) == 0;
        if first {
            Err(away())
        } else {
            Ok(Recorded::Repeated)
        }
    });

    let _spooled = spooled(store, spool(&shelf(&waiting), &tell), &tell);
    for event in [
        settled(&["0-0"]),
        Event::Released(vec!["1-0".into(), "2-0".into()]),
        settled(&["1-0"]),
        settled(&["2-0"]),
    ] {
        assert_eq!(told.recv().await, Some(event));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_drops_it_ends_its_drainer() {
    let (tell, mut told) = events();
    let shelf = shelf(&[(report("r", RunStatus::Success), 1)]);
    let spooled = spooled(store(|_| Err(away())), spool(&shelf, &tell), &tell);
    assert!(matches!(told.recv().await, Some(Event::Released(_))));

    drop((spooled, tell));
    // The drainer held the spool, and with it the other end.
    while told.recv().await.is_some() {}
}
