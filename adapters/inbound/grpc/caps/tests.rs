use futures::FutureExt as _;

use super::*;

const MIB: usize = 1024 * 1024;

fn caps(calls: usize) -> Caps {
    Caps::new(Settings {
        calls,
        calls_per_worker: 3,
        polls_per_worker: 2,
        bytes: 64 * MIB,
        bytes_per_worker: 16 * MIB,
    })
}

fn worker(id: &str) -> WorkerId {
    WorkerId::parse(id).expect("is an identifier")
}

fn enter(caps: &Caps, class: Class, times: usize) -> Vec<Entered> {
    let each = (0..times).filter_map(|_| caps.enter(class).ok());
    each.collect()
}

#[test]
fn the_last_quarter_is_for_what_keeps_work_going() {
    let caps = caps(8);
    let logs = enter(&caps, Class::Log, 20);
    let polls = enter(&caps, Class::Poll, 20);
    let control = enter(&caps, Class::Control, 20);
    assert_eq!((logs.len(), polls.len(), control.len()), (6, 0, 2));

    drop(logs);
    assert_eq!(enter(&caps, Class::Control, 20).len(), 6);
    assert_eq!(caps.0.calls.load(Ordering::Relaxed), 2);
}

#[test]
fn each_kind_of_call_has_places_of_its_own() {
    let (caps, w) = (caps(100), worker("w"));
    let seats = |of: &WorkerId, kind| -> Vec<Seat> {
        let each = (0..10).map(|_| caps.seat(of, kind));
        each.filter_map(Result::ok).collect()
    };

    let (tasks, controls) = (seats(&w, Kind::PollTask), seats(&w, Kind::PollControl));
    let (logs, others) = (seats(&w, Kind::Log), seats(&w, Kind::Other));
    let channels = seats(&w, Kind::Live);
    let held = [&tasks, &controls, &channels, &logs, &others].map(Vec::len);
    assert_eq!(held, [2, 2, 2, 3, 3]);
    assert_eq!(seats(&worker("v"), Kind::Other).len(), 3);
}

/// T28: nothing is remembered of a worker that has no call under way.
#[test]
fn with_the_last_call_its_worker_is_forgotten() {
    let caps = caps(100);
    let seats: Vec<_> = (0..10_000)
        .map(|number| caps.seat(&worker(&format!("w-{number}")), Kind::Other))
        .collect();
    assert_eq!(caps.0.workers().len(), 10_000);

    drop(seats);
    assert!(caps.0.workers().is_empty());
    assert!(caps.0.workers().capacity() <= 64);
}

#[test]
fn strangers_take_no_place_from_those_who_are_known() {
    let caps = caps(8);
    let stranger = caps.queue(None, Class::Control).now_or_never();
    let _stranger = stranger.expect("has a place").expect("has a place");
    assert!(caps.queue(None, Class::Control).now_or_never().is_none());

    let known = enter(&caps, Class::Control, 20);
    assert_eq!(known.len(), 8);
    // There is nothing to wait for.
    let refused = caps.queue(None, Class::Control).now_or_never();
    assert!(matches!(refused, Some(Err(LimitError::Crowded { .. }))));
}

#[test]
fn a_worker_has_its_share_of_the_room_and_others_have_theirs() {
    let caps = caps(100);
    let _seats = ["w", "v"].map(|id| caps.seat(&worker(id), Kind::Log).expect("has a place"));
    let weigh = |id: &str, class, mib: usize| {
        let weighed = caps
            .clone()
            .weigh(Some(worker(id)), class, (mib * MIB) as u64);
        weighed.now_or_never().and_then(Result::ok)
    };

    let log = weigh("w", Class::Log, 12).expect("has room");
    assert!(weigh("w", Class::Log, 1).is_none());
    let _result = weigh("w", Class::Control, 4).expect("has room");
    assert!(weigh("w", Class::Control, 1).is_none());
    let _other = weigh("v", Class::Log, 12).expect("has room");
    drop(log);
    assert!(weigh("w", Class::Log, 12).is_some());
}
