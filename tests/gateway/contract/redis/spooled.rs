//! A store that goes away, and two gateways that share a spool.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use gateway_adapters::outbound::redis::Backend;
use gateway_adapters::outbound::{SpoolSettings, Spooled, SystemClock};
use gateway_core::domain::audit::Action;
use gateway_core::domain::id::RunId;
use gateway_core::domain::run::{Message, Recorded, Report, RunStatus};
use gateway_core::domain::task::Content;
use gateway_core::ports::{self, DeadLetters as _, KnownOutage, ResultError, ResultStore};

use super::super::run;
use super::super::spool::report;
use super::{Redis, on_cluster, on_one};
use crate::support::servers::until;

/// A store that writes down what it is told, and may be away.
#[derive(Default)]
struct Store {
    serves: AtomicBool,
    written: Mutex<BTreeMap<String, Vec<RunStatus>>>,
}

impl Store {
    fn check(&self) -> Result<(), ResultError> {
        if self.serves.load(Ordering::SeqCst) {
            return Ok(());
        }
        let away = KnownOutage("away".to_owned());
        Err(ResultError::Unavailable(away.into()))
    }
}

#[async_trait]
impl ResultStore for Store {
    async fn record(&self, report: &Report) -> Result<Recorded, ResultError> {
        self.check()?;
        if report.run.as_str() == "unknown" {
            return Err(ResultError::UnknownRun(report.run.clone()));
        }
        let mut written = self.written.lock().expect("is whole");
        let run = written.entry(report.run.to_string()).or_default();
        run.push(report.status);
        let tally = report.status.tally();
        Ok(Recorded::Changed {
            started: false,
            tally,
        })
    }

    async fn status(&self, _: &RunId) -> Result<Option<RunStatus>, ResultError> {
        self.check()?;
        Ok(None)
    }
}

/// A gateway's store, which waits for no unknown run.
fn spooled(redis: &Redis, backend: &Backend, store: &Arc<Store>) -> Spooled {
    let settings = SpoolSettings {
        unknown_run_patience: Duration::ZERO,
    };
    let (spool, audit) = (backend.spool.clone(), redis.audit.clone());
    Spooled::new(store.clone(), spool, audit, Arc::new(SystemClock), settings)
}

async fn drained(store: &Spooled) {
    let mut backlog = store.backlog();
    let empty = backlog.wait_for(|backlog| backlog.depth == 0);
    empty.await.expect("lives as long as the store");
}

/// A run that starts and ends.
fn reports(of: &str) -> [Report; 2] {
    let ended = Report {
        message: Message::Result,
        ..report(of, RunStatus::Success)
    };
    [report(of, RunStatus::Running), ended]
}

async fn report_run(store: &Spooled, of: String) {
    for report in reports(&of) {
        let recorded = store.record(&report).await.expect("is taken");
        assert_eq!(recorded, Recorded::Spooled);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_gateways_took_is_written_once_by_whichever_is_there() {
    const RUNS: usize = 200;
    for redis in [on_one().await, on_cluster().await] {
        let (store, other) = (Arc::new(Store::default()), redis.another().await);
        let here = spooled(&redis, &redis.backend, &store);
        let there = spooled(&redis, &other, &store);
        let runs = (0..RUNS).map(|count| {
            let gateway = if count % 2 == 0 { &here } else { &there };
            report_run(gateway, format!("r-{count}"))
        });
        join_all(runs).await;
        // A worker that says that it is done with its task is believed meanwhile.
        let ended = there.status(&run("r-0")).await.expect("knows");
        assert_eq!(ended, Some(RunStatus::Success));

        store.serves.store(true, Ordering::SeqCst);
        until("all is written", || async {
            let written = store.written.lock().expect("is whole");
            let ended = written
                .values()
                .filter(|run| run.contains(&RunStatus::Success));
            (ended.count() == RUNS).then_some(())
        })
        .await;
        for gateway in [&here, &there] {
            drained(gateway).await;
        }
        for (run, written) in &*store.written.lock().expect("is whole") {
            let count = |status| written.iter().filter(|one| **one == status).count();
            let each = (count(RunStatus::Running), count(RunStatus::Success));
            assert_eq!((each, written.len()), ((1, 1), 2), "{run}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_whose_run_never_comes_ends_among_the_dead_letters() {
    let redis = on_one().await;
    let store = Arc::new(Store::default());
    let gateway = spooled(&redis, &redis.backend, &store);
    report_run(&gateway, "unknown".to_owned()).await;
    report_run(&gateway, "known".to_owned()).await;
    store.serves.store(true, Ordering::SeqCst);

    let dead = redis.backend.dead_letters.clone();
    until("both are buried", || async {
        let letters = dead.list(10).await.expect("lists");
        (letters.len() == 2).then_some(())
    })
    .await;
    drained(&gateway).await;
    for letter in dead.list(10).await.expect("lists") {
        assert_eq!(letter.reason, "unknown run");
        assert!(matches!(letter.content, Content::Result(report) if report.run == run("unknown")));
    }
    let buried = |event: &gateway_core::domain::audit::AuditEvent| matches!(&event.action, Action::ResultBuried { run, .. } if run.as_str() == "unknown");
    assert_eq!(
        redis
            .audit
            .latest()
            .iter()
            .filter(|event| buried(event))
            .count(),
        2
    );
    assert_eq!(store.written.lock().expect("is whole").len(), 1);

    // Put back once the run is known, it would be written; here it is buried anew.
    let letters = dead.list(10).await.expect("lists");
    assert!(dead.requeue(&letters[0].id).await.expect("puts back"));
    until("it is buried again", || async {
        let again = dead.list(10).await.expect("lists");
        let anew = again.iter().any(|letter| letter.at > letters[0].at);
        (again.len() == 2 && anew).then_some(())
    })
    .await;
    let left = ports::Spool::backlog(&*redis.backend.spool)
        .await
        .expect("tells");
    assert!(left.depth <= 1, "{left:?}");
}
