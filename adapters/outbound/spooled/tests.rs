use std::sync::Mutex;

use gateway_core::domain::id::SpoolId;
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{
    KnownOutage, MockAuditLog, MockClock, MockResultStore, MockSpool, Waiting,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::*;

mod draining;
mod recording;

/// What is done to the spool and told to the audit, as it comes.
#[derive(Debug, PartialEq)]
enum Event {
    Put(String),
    Settled(Vec<String>),
    Released(Vec<String>),
    Buried(String, String),
    Audited(&'static str),
}

fn run(id: &str) -> RunId {
    RunId::parse(id).expect("is an identifier")
}

fn report(of: &str, status: RunStatus) -> Report {
    let worker = WorkerId::parse("w").expect("is an identifier");
    Report::new(run(of), worker, status, Timestamp::UNIX_EPOCH)
}

fn away() -> ResultError {
    ResultError::Unavailable(KnownOutage("away".to_owned()).into())
}

fn spool_away() -> SpoolError {
    SpoolError::Unavailable(KnownOutage("away".to_owned()).into())
}

fn unwritable(report: &Report) -> ResultError {
    ResultError::Unwritable {
        run: report.run.clone(),
        reason: "too long".to_owned(),
    }
}

/// A store that does as `record` does.
fn store(
    record: impl Fn(&Report) -> Result<Recorded, ResultError> + Send + Sync + 'static,
) -> MockResultStore {
    let mut store = MockResultStore::new();
    store.expect_record().returning(record);
    store
}

/// What waits, with how long it has waited; those that are taken are not given out again.
type Shelf = Arc<Mutex<Vec<(Waiting, bool)>>>;

/// The second at which everything happens.
const NOW: i64 = 1000;

fn shelf(reports: &[(Report, i64)]) -> Shelf {
    let waiting = reports.iter().enumerate().map(|(place, (report, waited))| {
        let waiting = Waiting {
            id: SpoolId::parse(&format!("{place}-0")).expect("is an identifier"),
            report: report.clone(),
            since: Timestamp::from_second(NOW - waited).expect("is a time"),
        };
        (waiting, false)
    });
    Arc::new(Mutex::new(waiting.collect()))
}

fn names(ids: &[SpoolId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// A spool on `shelf`.
fn spool(shelf: &Shelf, events: &UnboundedSender<Event>) -> MockSpool {
    let mut spool = MockSpool::new();
    let on = shelf.clone();
    spool.expect_backlog().returning(move || {
        let shelf = on.lock().expect("is whole");
        Ok(Backlog {
            depth: shelf.len() as u64,
            oldest: shelf.first().map(|(waiting, _)| waiting.since),
        })
    });
    let on = shelf.clone();
    spool.expect_take().returning(move |limit| {
        let mut shelf = on.lock().expect("is whole");
        let free = shelf.iter_mut().filter(|(_, taken)| !taken).take(limit);
        let take = |one: &mut (Waiting, bool)| {
            one.1 = true;
            one.0.clone()
        };
        Ok(free.map(take).collect())
    });
    let (on, tell) = (shelf.clone(), events.clone());
    spool.expect_settle().returning(move |ids| {
        let mut shelf = on.lock().expect("is whole");
        shelf.retain(|(waiting, _)| !ids.contains(&waiting.id));
        tell.send(Event::Settled(names(ids))).ok();
        Ok(())
    });
    let (on, tell) = (shelf.clone(), events.clone());
    spool.expect_release().returning(move |ids| {
        for (waiting, taken) in on.lock().expect("is whole").iter_mut() {
            *taken &= !ids.contains(&waiting.id);
        }
        tell.send(Event::Released(names(ids))).ok();
        Ok(())
    });
    spool
}

/// A spool in which nothing waits.
fn empty(events: &UnboundedSender<Event>) -> MockSpool {
    spool(&shelf(&[]), events)
}

fn takes(mut spool: MockSpool, events: &UnboundedSender<Event>) -> MockSpool {
    let tell = events.clone();
    spool.expect_put().returning(move |report| {
        tell.send(Event::Put(report.run.to_string())).ok();
        Ok(())
    });
    spool
}

fn buries(mut spool: MockSpool, events: &UnboundedSender<Event>) -> MockSpool {
    let tell = events.clone();
    spool.expect_bury().returning(move |report, reason| {
        let (run, reason) = (report.run.to_string(), reason.to_owned());
        tell.send(Event::Buried(run, reason)).ok();
        Ok(())
    });
    spool
}

/// It all together, with a minute of patience.
fn spooled(
    store: impl ResultStore + 'static,
    spool: MockSpool,
    events: &UnboundedSender<Event>,
) -> Spooled {
    let mut audit = MockAuditLog::new();
    let tell = events.clone();
    audit.expect_record().returning(move |event| {
        tell.send(Event::Audited(event.action.name())).ok();
    });
    let mut clock = MockClock::new();
    let now = Timestamp::from_second(NOW).expect("is a time");
    clock.expect_now().return_const(now);
    let settings = SpoolSettings {
        unknown_run_patience: Duration::from_mins(1),
    };
    Spooled::new(
        Arc::new(store),
        Arc::new(spool),
        Arc::new(audit),
        Arc::new(clock),
        settings,
    )
}

fn events() -> (UnboundedSender<Event>, UnboundedReceiver<Event>) {
    mpsc::unbounded_channel()
}
