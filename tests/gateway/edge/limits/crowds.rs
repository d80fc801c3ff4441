use std::time::Duration;

use futures::future::join_all;
use gateway_core::domain::audit::Action;
use tonic::Code;

use super::{assert_refused, trips};
use crate::support::{Gateway, Options, Worker, task};

/// So many polls that wait, for as long as the answer is kept.
fn waiting(
    worker: &Worker,
    polls: usize,
) -> Vec<tokio::task::JoinHandle<Result<bool, tonic::Status>>> {
    let begun = (0..polls).map(|_| {
        let worker = worker.clone();
        tokio::spawn(async move { worker.poll(30_000).await.map(|polled| polled.has_task) })
    });
    begun.collect()
}

/// T27: of each kind of poll, a worker has a few; one more hears at once that it is one too many.
#[tokio::test]
async fn a_fifth_poll_of_a_kind_is_refused_at_once() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let mut polls = waiting(&worker, 5);

    // Four wait, whichever they are, and the fifth does not.
    let (refused, index, _) = futures::future::select_all(&mut polls).await;
    assert_refused(refused.expect("does not panic"));
    drop(polls.remove(index));
    assert_refused(worker.poll(30_000).await);
    worker.poll_control(1).await.expect("is of another kind");
    worker.beat(0).await.expect("is no poll");
    gateway.worker("w-2").poll(1).await.expect("is another's");
    let class = gateway_core::domain::limit::Class::Poll;
    let events = gateway.audit.latest();
    assert!(
        events
            .iter()
            .any(|event| event.action == Action::Limited { class })
    );
    assert_eq!(trips(&gateway), 1);

    for number in 0..4 {
        gateway.enqueue("w-1", task(&format!("r-{number}"))).await;
    }
    for polled in join_all(polls).await {
        assert!(polled.expect("does not panic").expect("polls"));
    }
    worker.poll(1).await.expect("there is room again");
    gateway.stop().await;
}

/// T27: a place is given up with its poll, however that ends.
#[tokio::test]
async fn polls_that_were_abandoned_take_no_place() {
    let gateway = Gateway::start().await;
    for _ in 0..5 {
        let worker = gateway.worker("w-1");
        let polls = waiting(&worker, 4);
        for poll in &polls {
            poll.abort();
        }
    }

    let worker = gateway.worker("w-1");
    let free = async { while worker.poll(1).await.is_err() {} };
    let freed = tokio::time::timeout(Duration::from_secs(30), free).await;
    freed.expect("their places are free again");
    gateway.stop().await;
}

/// T27: how many calls a worker has under way is bounded, before their bodies are read.
#[tokio::test]
async fn a_worker_has_only_so_many_calls_under_way() {
    let gateway = Gateway::start_with(Options {
        adjust: |port| port.max_calls_per_worker = 3,
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");
    // The message of none of them ever comes.
    let stuck: Vec<_> = (0..10)
        .map(|_| {
            let call = worker.clone().begin_call("SendHeartbeat");
            tokio::spawn(call)
        })
        .collect();

    let mut refused = 0;
    let mut stuck = stuck;
    while refused < 7 {
        let (answer, index, _) = futures::future::select_all(&mut stuck).await;
        assert_refused(answer.expect("does not panic"));
        drop(stuck.remove(index));
        refused += 1;
    }
    assert_refused(worker.beat(0).await);
    worker.poll(1).await.expect("waits elsewhere");
    gateway.worker("w-2").beat(0).await.expect("is another's");

    for call in &stuck {
        call.abort();
    }
    while worker.beat(0).await.is_err() {}
    gateway.stop().await;
}

/// T27: logs that are stuck do not stop the results of the same worker.
#[tokio::test]
async fn logs_under_way_refuse_nothing_but_logs() {
    let gateway = Gateway::start().await;
    gateway.enqueue("w-1", task("r")).await;
    let worker = gateway.worker("w-1");
    let (_, receipt) = worker.take().await;
    let mut stuck: Vec<_> = (0..65)
        .map(|_| tokio::spawn(worker.clone().begin_call("SendLogBatch")))
        .collect();
    // One too many, so that the others are under way.
    let (answer, index, _) = futures::future::select_all(&mut stuck).await;
    assert_refused(answer.expect("does not panic"));
    drop(stuck.remove(index));

    assert_refused(worker.log(vec![]).await);
    worker.report("r", "success").await.expect("is let in");
    worker.ack(&receipt, true).await.expect("is let in");
    worker.beat(0).await.expect("is let in");
    for call in &stuck {
        call.abort();
    }
    gateway.stop().await;
}

/// T27: how many calls there are in all is bounded, and the last places are for what keeps work
/// going.
#[tokio::test]
async fn the_gateway_has_only_so_many_calls_under_way() {
    let gateway = Gateway::start_with(Options {
        adjust: |port| port.max_calls = 4,
        ..Options::default()
    })
    .await;
    let (flooding, other) = (gateway.worker("w-1"), gateway.worker("w-2"));
    let mut stuck: Vec<_> = (0..4)
        .map(|_| tokio::spawn(flooding.clone().begin_call("SendLogBatch")))
        .collect();
    let (answer, index, _) = futures::future::select_all(&mut stuck).await;
    assert_refused(answer.expect("does not panic"));
    drop(stuck.remove(index));

    other.beat(0).await.expect("has a place left");
    let logged = other.log(vec![]).await;
    assert_refused(logged);
    let last = tokio::spawn(other.clone().begin_call("SendHeartbeat"));
    while other.beat(0).await.is_ok() {}
    // Nobody is asked who they are any more: a refusal is cheap.
    let stranger = Worker::new(gateway.address, "w-1", Some("wrong"));
    let refused = stranger.beat(0).await.expect_err("is refused");
    assert_eq!(refused.code(), Code::ResourceExhausted);

    last.abort();
    while other.beat(0).await.is_err() {}
    gateway.stop().await;
}
