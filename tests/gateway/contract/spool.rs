//! The contract of `Spool`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use gateway_core::domain::id::SpoolId;
use gateway_core::domain::run::{Data, Message, Report, RunStatus};
use gateway_core::domain::task::{Content, DeadLetter};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{Backlog, Spool, Waiting};
use serde_json::json;

use super::dead_letters::Morgue;
use super::{run, task_id, worker};

/// A backend where results may wait.
pub(super) trait Spools: Morgue {
    fn spool(&self) -> Arc<dyn Spool>;

    /// The same as another gateway has it.
    async fn another_spool(&self) -> Arc<dyn Spool>;

    /// Lets so much time pass that nobody holds anything any more.
    async fn end_leases(&self);

    /// What time it is by the backend's own clock.
    async fn now(&self) -> Timestamp;
}

contract!(redis, cluster => {
    what_is_put_in_comes_out_whole,
    the_oldest_comes_first_and_no_more_than_asked_for,
    what_is_taken_is_nobody_elses_until_it_is_released,
    what_is_taken_comes_again_when_whoever_took_it_is_gone,
    what_is_settled_is_gone_and_may_be_settled_again,
    whoever_lost_a_report_to_another_cannot_release_it,
    of_many_who_drain_at_once_each_gets_its_own,
    put_in_twice_it_waits_twice,
    an_end_is_known_while_it_waits_and_after,
    a_buried_report_is_a_dead_letter_that_can_be_put_back,
    the_backlog_is_what_waits_and_since_when,
});

/// A report of the run `of`.
pub(super) fn report(of: &str, status: RunStatus) -> Report {
    let at = Timestamp::from_second(1_800_000_000).expect("is a time");
    Report::new(run(of), worker("w"), status, at)
}

async fn put(spool: &Arc<dyn Spool>, runs: &[&str]) {
    for of in runs {
        let report = report(of, RunStatus::Running);
        spool.put(&report).await.expect("is put in");
    }
}

pub(super) async fn take(spool: &Arc<dyn Spool>, limit: usize) -> Vec<Waiting> {
    spool.take(limit).await.expect("takes")
}

pub(super) fn runs(waiting: &[Waiting]) -> Vec<&str> {
    let runs = waiting.iter();
    runs.map(|waiting| waiting.report.run.as_str()).collect()
}

pub(super) fn ids(waiting: &[Waiting]) -> Vec<SpoolId> {
    waiting.iter().map(|waiting| waiting.id.clone()).collect()
}

async fn what_is_put_in_comes_out_whole(bench: &impl Spools) {
    let data = json!({"rows": 3, "text": "行\n\"{}\"", "nested": {"a": [null, 1.5]}});
    let whole = Report {
        message: Message::Result,
        task: Some(task_id("t")),
        exit_code: Some(-9),
        error_message: "没有\r\n".into(),
        started_at: Some("2027-01-15T08:00:00.123456Z".parse().expect("is a time")),
        finished_at: Some("2027-01-15T08:00:01Z".parse().expect("is a time")),
        duration: Some(Duration::from_micros(876_544)),
        data: Data::parse(&data.to_string()).expect("is an object"),
        ..report("r-1", RunStatus::Failed)
    };
    let bare = report("r-2", RunStatus::Queued);
    let spool = bench.spool();
    assert_eq!(take(&spool, 10).await, []);

    let before = bench.now().await;
    for report in [&whole, &bare] {
        spool.put(report).await.expect("is put in");
    }
    let after = bench.now().await;
    let waiting = take(&spool, 10).await;
    let reports: Vec<_> = waiting.iter().map(|waiting| &waiting.report).collect();
    assert_eq!(reports, [&whole, &bare]);
    for waiting in &waiting {
        assert!((before..=after).contains(&waiting.since), "{waiting:?}");
    }
}

async fn the_oldest_comes_first_and_no_more_than_asked_for(bench: &impl Spools) {
    let spool = bench.spool();
    put(&spool, &["r-1", "r-2", "r-3", "r-4"]).await;

    assert_eq!(take(&spool, 0).await, []);
    let first = take(&spool, 2).await;
    assert_eq!(runs(&first), ["r-1", "r-2"]);
    assert_eq!(runs(&take(&spool, 1).await), ["r-3"]);
    // What is released is older than what was never taken.
    spool.release(&ids(&first)).await.expect("releases");
    assert_eq!(runs(&take(&spool, 10).await), ["r-1", "r-2", "r-4"]);
}

async fn what_is_taken_is_nobody_elses_until_it_is_released(bench: &impl Spools) {
    let (here, there) = (bench.spool(), bench.another_spool().await);
    put(&here, &["r-1", "r-2"]).await;
    let taken = take(&here, 10).await;

    for spool in [&here, &there] {
        assert_eq!(take(spool, 10).await, []);
    }
    here.release(&ids(&taken)[1..]).await.expect("releases");
    assert_eq!(take(&there, 10).await, taken[1..]);
    assert_eq!(take(&here, 10).await, []);
}

async fn what_is_taken_comes_again_when_whoever_took_it_is_gone(bench: &impl Spools) {
    let gone = bench.another_spool().await;
    put(&gone, &["r-1", "r-2"]).await;
    let taken = take(&gone, 10).await;
    drop(gone);
    let spool = bench.spool();
    assert_eq!(take(&spool, 10).await, []);

    bench.end_leases().await;
    assert_eq!(take(&spool, 10).await, taken);
    assert_eq!(take(&spool, 10).await, []);
}

async fn what_is_settled_is_gone_and_may_be_settled_again(bench: &impl Spools) {
    let spool = bench.spool();
    put(&spool, &["r-1", "r-2", "r-3"]).await;
    let ids = ids(&take(&spool, 10).await);

    spool.settle(&ids[..1]).await.expect("settles");
    spool.settle(&ids[..2]).await.expect("settles");
    spool.settle(&[]).await.expect("settles");
    assert_eq!(spool.backlog().await.expect("tells").depth, 1);
    spool.release(&ids).await.expect("releases");
    assert_eq!(runs(&take(&spool, 10).await), ["r-3"]);
}

async fn whoever_lost_a_report_to_another_cannot_release_it(bench: &impl Spools) {
    let (slow, other) = (bench.another_spool().await, bench.spool());
    put(&slow, &["r"]).await;
    let taken = take(&slow, 10).await;
    bench.end_leases().await;
    assert_eq!(take(&other, 10).await, taken);

    slow.release(&ids(&taken)).await.expect("passes it over");
    assert_eq!(take(&slow, 10).await, []);
}

async fn of_many_who_drain_at_once_each_gets_its_own(bench: &impl Spools) {
    const REPORTS: usize = 300;
    let (here, there) = (bench.spool(), bench.another_spool().await);
    let names: Vec<_> = (0..REPORTS).map(|count| format!("r-{count}")).collect();
    let puts = names.iter().map(|name| put_one(&here, name));
    join_all(puts).await;

    let drain = async |spool: &Arc<dyn Spool>| {
        let mut all = Vec::new();
        loop {
            let taken = take(spool, 7).await;
            if taken.is_empty() {
                return all;
            }
            all.extend(runs(&taken).into_iter().map(str::to_owned));
            spool.settle(&ids(&taken)).await.expect("settles");
        }
    };
    let drained = tokio::join!(drain(&here), drain(&there), drain(&here), drain(&there));
    let drained = [drained.0, drained.1, drained.2, drained.3].concat();
    assert_eq!(drained.len(), REPORTS, "some came more than once, or never");
    let distinct: BTreeSet<_> = drained.into_iter().collect();
    assert_eq!(distinct, names.into_iter().collect());
    assert_eq!(here.backlog().await.expect("tells"), Backlog::default());
}

async fn put_one(spool: &Arc<dyn Spool>, of: &str) {
    put(spool, &[of]).await;
}

async fn put_in_twice_it_waits_twice(bench: &impl Spools) {
    let spool = bench.spool();
    put(&spool, &["r", "r"]).await;

    let taken = take(&spool, 10).await;
    assert_eq!(runs(&taken), ["r", "r"]);
    spool.settle(&ids(&taken)).await.expect("settles");
    assert_eq!(take(&spool, 10).await, []);
}

async fn an_end_is_known_while_it_waits_and_after(bench: &impl Spools) {
    let (here, there) = (bench.spool(), bench.another_spool().await);
    let ended = async |of: &str| there.ended(&run(of)).await.expect("looks");
    for (of, status) in [
        ("r-1", RunStatus::Running),
        ("r-2", RunStatus::Running),
        ("r-2", RunStatus::Cancelled),
        ("r-2", RunStatus::Success),
    ] {
        here.put(&report(of, status)).await.expect("is put in");
    }

    let wanted = [None, Some(RunStatus::Cancelled), None];
    assert_eq!(
        [ended("r-1").await, ended("r-2").await, ended("r-3").await],
        wanted
    );
    let taken = take(&here, 10).await;
    here.settle(&ids(&taken)).await.expect("settles");
    assert_eq!(
        [ended("r-1").await, ended("r-2").await, ended("r-3").await],
        wanted
    );
}

async fn a_buried_report_is_a_dead_letter_that_can_be_put_back(bench: &impl Spools) {
    let (spool, dead) = (bench.spool(), bench.dead_letters());
    let report = Report {
        message: Message::Result,
        task: Some(task_id("t")),
        error_message: "行".into(),
        ..report("r", RunStatus::Failed)
    };
    spool.bury(&report, "too long: 没有").await.expect("buries");

    let letters = dead.list(10).await.expect("lists");
    let [
        DeadLetter {
            id,
            content,
            worker: of,
            reason,
            ..
        },
    ] = &letters[..]
    else {
        panic!("{letters:?}");
    };
    assert_eq!(*content, Content::Result(Box::new(report.clone())));
    assert_eq!((of, reason.as_str()), (&worker("w"), "too long: 没有"));
    assert_eq!(take(&spool, 10).await, []);

    assert!(dead.requeue(id).await.expect("puts back"));
    assert_eq!(dead.list(10).await.expect("lists"), []);
    let taken = take(&spool, 10).await;
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].report, report);
    // It can be buried again, by the same words.
    spool.bury(&report, "too long: 没有").await.expect("buries");
    assert_eq!(dead.list(10).await.expect("lists").len(), 1);
}

async fn the_backlog_is_what_waits_and_since_when(bench: &impl Spools) {
    let spool = bench.spool();
    assert_eq!(spool.backlog().await.expect("tells"), Backlog::default());
    put(&spool, &["r-1", "r-2", "r-3"]).await;

    let first = take(&spool, 1).await;
    let backlog = spool.backlog().await.expect("tells");
    // Until it is settled, it waits.
    assert_eq!((backlog.depth, backlog.oldest), (3, Some(first[0].since)));
    spool.settle(&ids(&first)).await.expect("settles");
    let next = take(&spool, 1).await;
    let backlog = spool.backlog().await.expect("tells");
    assert_eq!((backlog.depth, backlog.oldest), (2, Some(next[0].since)));
}
