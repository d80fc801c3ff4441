use gateway_core::domain::id::RunId;
use gateway_core::domain::limit::Class;
use gateway_core::domain::time::Timestamp;

use super::super::super::memory;
use super::*;

fn stranger(peer: &str) -> AuditEvent {
    AuditEvent {
        at: Timestamp::UNIX_EPOCH,
        actor: None,
        peer: Some(peer.parse().expect("is an address")),
        request: None,
        action: Action::Rejected {
            credentials: vec!["api key"],
            claimed: None,
        },
    }
}

fn of(worker: &str, action: Action) -> AuditEvent {
    AuditEvent {
        actor: Some(WorkerId::parse(worker).expect("is an identifier")),
        action,
        ..stranger("192.0.2.1")
    }
}

fn coalesced() -> (Arc<memory::AuditLog>, Coalesced) {
    let log = Arc::new(memory::AuditLog::default());
    (log.clone(), Coalesced::new(log))
}

/// What was written: what it was, and how often where it was counted.
fn written(log: &memory::AuditLog) -> Vec<(&'static str, Option<u64>)> {
    let latest = log.latest().into_iter();
    latest
        .map(|event| (event.action.name(), event.action.details().times))
        .collect()
}

fn at_once(name: &'static str) -> Vec<(&'static str, Option<u64>)> {
    vec![(name, None); AT_ONCE as usize]
}

/// T34: nobody can flush out the audit by being refused over and over.
#[tokio::test(start_paused = true)]
async fn the_first_are_written_at_once_and_the_others_counted() {
    let (log, coalesced) = coalesced();
    for _ in 0..100_000 {
        coalesced.record(stranger("192.0.2.1"));
    }
    assert_eq!(written(&log), at_once("rejected"));

    tokio::time::advance(WINDOW).await;
    coalesced.record(stranger("192.0.2.1"));
    let mut all = at_once("rejected");
    all.push(("rejected", Some(100_000 - u64::from(AT_ONCE))));
    all.push(("rejected", None));
    assert_eq!(written(&log), all);
}

#[tokio::test(start_paused = true)]
async fn counts_are_written_when_the_minute_is_over_whether_or_not_more_comes() {
    let (log, coalesced) = coalesced();
    let keep = coalesced.upkeep();
    tokio::pin!(keep);
    for _ in 0..=AT_ONCE {
        coalesced.record(stranger("192.0.2.1"));
    }
    let early = tokio::time::timeout(Duration::from_secs(50), &mut keep).await;
    early.expect_err("goes on");
    assert_eq!(written(&log).len(), AT_ONCE as usize);
    let late = tokio::time::timeout(TICK * 2, &mut keep).await;
    late.expect_err("goes on");
    assert_eq!(written(&log).last(), Some(&("rejected", Some(1))));
}

#[tokio::test(start_paused = true)]
async fn the_end_leaves_no_count_behind() {
    let (log, coalesced) = coalesced();
    for _ in 0..AT_ONCE + 3 {
        coalesced.record(stranger("192.0.2.1"));
    }
    coalesced.flush();
    coalesced.flush();
    assert_eq!(written(&log).len(), AT_ONCE as usize + 1);
    assert_eq!(written(&log).last(), Some(&("rejected", Some(3))));
}

#[tokio::test(start_paused = true)]
async fn one_is_not_counted_for_another() {
    let (log, coalesced) = coalesced();
    let limited = Action::Limited { class: Class::Log };
    let unknown = Action::UnknownRun {
        run: RunId::parse("r-1").expect("is an identifier"),
    };
    for _ in 0..1000 {
        coalesced.record(of("w-1", limited.clone()));
    }
    let before = written(&log).len();
    for event in [
        of("w-2", limited),
        of("w-1", unknown),
        stranger("192.0.2.1"),
        stranger("192.0.2.2"),
        stranger("2001:db8:0:1::1"),
    ] {
        coalesced.record(event.clone());
        assert_eq!(log.latest().last(), Some(&event));
    }
    assert_eq!(written(&log).len(), before + 5);
}

#[tokio::test(start_paused = true)]
async fn the_networks_of_one_site_are_counted_together() {
    let (log, coalesced) = coalesced();
    for network in 0..u16::MAX {
        coalesced.record(stranger(&format!("2001:db8:0:{network:x}::1")));
    }
    assert_eq!(written(&log).len(), AT_ONCE as usize);
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_is_always_written() {
    let (log, coalesced) = coalesced();
    for number in 0..500 {
        let receipt = number.to_string();
        coalesced.record(of("w-1", Action::GaveBack { receipt }));
        coalesced.record(of("w-1", Action::Registered));
    }
    assert_eq!(log.latest().len(), 1000);
}

/// T28: of however many, so many are written in a minute and no more; the rest is one count.
#[tokio::test(start_paused = true)]
async fn what_is_written_is_bounded_however_many_are_refused() {
    let (log, coalesced) = coalesced();
    for _ in 0..=AT_ONCE {
        for number in 0..2 * MAX_SOURCES {
            coalesced.record(of(&format!("w-{number}"), Action::Throttled));
        }
    }
    assert_eq!(coalesced.lock().tallies.len(), MAX_SOURCES + 1);
    let total = || log.latest().len() as u64 + log.dropped();
    assert_eq!(total(), MAX_SOURCES as u64 + u64::from(SPARE));
    let before = total();
    coalesced.flush();
    assert_eq!(total() - before, MAX_SOURCES as u64 + 1);

    let counted = |event: &AuditEvent| event.action.details().times.unwrap_or(0);
    let latest = log.latest();
    let others: Vec<_> = latest.iter().filter(|it| it.actor.is_none()).collect();
    let [others] = &others[..] else {
        panic!("{others:?}")
    };
    assert_eq!(others.peer, None);
    assert_eq!(counted(others), u64::from(AT_ONCE + 1) * MAX_SOURCES as u64);
}
