use async_trait::async_trait;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_the_store_says_is_what_is_said() {
    let (tell, _) = events();
    let changed = Recorded::Changed {
        started: false,
        tally: None,
    };
    let store = store(move |report| match report.run.as_str() {
        "known" => Ok(changed),
        "late" => Ok(Recorded::Late),
        _ => Err(ResultError::UnknownRun(report.run.clone())),
    });

    // The mock of the spool would panic if anything were put in.
    let spooled = spooled(store, empty(&tell), &tell);
    for (of, recorded) in [("known", changed), ("late", Recorded::Late)] {
        let report = report(of, RunStatus::Success);
        assert_eq!(spooled.record(&report).await.expect("is taken"), recorded);
    }
    let unknown = spooled.record(&report("r", RunStatus::Success)).await;
    assert!(matches!(unknown, Err(ResultError::UnknownRun(_))));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_reports_wait_in_the_spool() {
    let (tell, mut told) = events();
    let spooled = spooled(store(|_| Err(away())), takes(empty(&tell), &tell), &tell);
    let mut backlog = spooled.backlog();

    let recorded = spooled.record(&report("r", RunStatus::Success)).await;
    assert_eq!(recorded.expect("is taken"), Recorded::Spooled);
    assert_eq!(told.recv().await, Some(Event::Put("r".into())));
    let seen = backlog.wait_for(|backlog| backlog.depth == 1).await;
    seen.expect("lives as long as the store");
}

#[tokio::test(start_paused = true)]
async fn where_both_are_away_nobody_hears_of_success() {
    let (tell, _) = events();
    let mut spool = empty(&tell);
    spool.expect_put().returning(|_| Err(spool_away()));

    let spooled = spooled(store(|_| Err(away())), spool, &tell);
    let refused = spooled.record(&report("r", RunStatus::Success)).await;
    assert!(matches!(refused, Err(ResultError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_written_is_buried_and_the_worker_told() {
    let (tell, mut told) = events();
    let store = store(|report| Err(unwritable(report)));
    let spooled = spooled(store, buries(empty(&tell), &tell), &tell);

    let refused = spooled.record(&report("r", RunStatus::Success)).await;
    assert!(matches!(refused, Err(ResultError::Unwritable { .. })));
    let buried = Event::Buried("r".into(), "too long".into());
    assert_eq!(told.recv().await, Some(buried));
    assert_eq!(told.recv().await, Some(Event::Audited("result_buried")));
}

#[tokio::test(start_paused = true)]
async fn what_can_neither_be_written_nor_buried_is_not_done_with() {
    let (tell, mut told) = events();
    let mut spool = empty(&tell);
    spool.expect_bury().returning(|_, _| Err(spool_away()));

    let spooled = spooled(store(|report| Err(unwritable(report))), spool, &tell);
    let refused = spooled.record(&report("r", RunStatus::Success)).await;
    assert!(matches!(refused, Err(ResultError::Unavailable(_))));
    assert!(told.try_recv().is_err(), "nothing was buried");
}

/// A store that is slow to say that it is away.
struct Slow(Arc<Notify>);

#[async_trait]
impl ResultStore for Slow {
    async fn record(&self, _: &Report) -> Result<Recorded, ResultError> {
        self.0.notify_one();
        tokio::time::sleep(Duration::from_secs(2)).await;
        Err(away())
    }

    async fn status(&self, _: &RunId) -> Result<Option<RunStatus>, ResultError> {
        Err(away())
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_is_kept_though_its_worker_goes_away() {
    let (tell, mut told) = events();
    let asked = Arc::new(Notify::new());
    let spooled = spooled(Slow(asked.clone()), takes(empty(&tell), &tell), &tell);

    let report = report("r", RunStatus::Success);
    tokio::select! {
        _ = spooled.record(&report) => panic!("goes away before it hears"),
        () = asked.notified() => {}
    }
    assert_eq!(told.recv().await, Some(Event::Put("r".into())));
}

#[tokio::test(start_paused = true)]
async fn how_a_run_ended_is_known_from_the_store_or_from_what_waits() {
    use RunStatus::{Failed, Running, Success};

    type Known = fn() -> Result<Option<RunStatus>, ResultError>;
    type Waits = fn() -> Result<Option<RunStatus>, SpoolError>;
    let cases: [(Known, Waits, Option<Option<RunStatus>>); 7] = [
        (|| Ok(Some(Failed)), || Ok(None), Some(Some(Failed))),
        (|| Ok(Some(Running)), || Ok(None), Some(Some(Running))),
        // It is on its way into the store.
        (
            || Ok(Some(Running)),
            || Ok(Some(Success)),
            Some(Some(Success)),
        ),
        (
            || Ok(Some(Running)),
            || Err(spool_away()),
            Some(Some(Running)),
        ),
        (|| Err(away()), || Ok(Some(Success)), Some(Some(Success))),
        (|| Err(away()), || Ok(None), Some(None)),
        (|| Err(away()), || Err(spool_away()), None),
    ];
    for (place, (known, waits, wanted)) in cases.into_iter().enumerate() {
        let (tell, _) = events();
        let mut store = MockResultStore::new();
        store.expect_status().returning(move |_| known());
        let mut spool = empty(&tell);
        spool.expect_ended().returning(move |_| waits());

        let spooled = spooled(store, spool, &tell);
        let status = spooled.status(&run("r")).await;
        assert_eq!(status.ok(), wanted, "{place}");
    }
}
