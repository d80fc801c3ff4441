//! How tasks reach workers, and come back.

use std::time::Duration;

use gateway_adapters::outbound::memory;
use gateway_core::domain::run::RunStatus;
use gateway_core::domain::task::Patience;
use gateway_core::ports::{DeadLetters as _, Master as _, ResultStore as _};
use tonic::Code;

use crate::support::{Gateway, Options, run_id, task};

#[tokio::test]
async fn a_task_goes_round() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let mut sent = task("t");
    sent.run = run_id("r");
    sent.project_id = "p".into();
    sent.priority = -3;
    sent.params = [("ключ".to_owned(), "значение 🐜".to_owned())].into();
    sent.environment = [("LANG".to_owned(), "C".to_owned())].into();
    sent.timeout = Duration::from_mins(2);
    sent.download_url = "https://example.org/p.zip".into();
    sent.file_hash = "abc".into();
    sent.entry_point = "main.py".into();
    gateway.enqueue("w-1", sent.clone()).await;

    let (got, receipt) = worker.take().await;
    assert_eq!((got.task_id.as_str(), got.run_id.as_str()), ("t", "r"));
    assert_eq!(
        (got.project_id, got.project_type, got.priority),
        ("p".into(), "code".into(), -3)
    );
    assert_eq!(
        (got.params, got.environment),
        (sent.params, sent.environment)
    );
    assert_eq!((got.timeout, got.entry_point), (120, "main.py".into()));
    assert_eq!(
        (got.download_url, got.file_hash),
        (sent.download_url, "abc".into())
    );
    worker.report("r", "running").await.expect("reports");
    worker.report("r", "success").await.expect("reports");
    worker.ack(&receipt, true).await.expect("acks");

    let status = gateway.backend.result_store.status(&run_id("r")).await;
    assert_eq!(status.expect("is known"), Some(RunStatus::Success));
    let queues = gateway.backend.master.queues().await.expect("counts");
    let dead = gateway.backend.dead_letters.list(10).await;
    let dead = dead.expect("lists");
    assert!(
        queues.iter().all(|queue| queue.waiting + queue.held == 0),
        "{queues:?}"
    );
    assert!(dead.is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn a_waiting_poll_gets_a_task_the_moment_it_comes() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    let poll = tokio::spawn(async move { worker.take().await });
    gateway.enqueue("w-2", task("not-mine")).await;
    gateway.enqueue("w-1", task("mine")).await;
    let (dispatch, _) = poll.await.expect("does not panic");
    assert_eq!(dispatch.task_id, "mine");
    gateway.stop().await;
}

#[tokio::test]
async fn a_poll_without_a_task_ends_when_its_time_is_over() {
    let gateway = Gateway::start().await;

    let polled = gateway.worker("w-1").poll(10).await.expect("polls");
    assert!(!polled.has_task && polled.task.is_none() && polled.receipt_id.is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn an_ack_may_be_repeated() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("t")).await;
    let (_, receipt) = worker.take().await;

    for _ in 0..3 {
        worker.ack(&receipt, true).await.expect("acks");
    }
    worker
        .ack(&receipt, false)
        .await
        .expect("is too late, and said so by nothing");
    assert!(!worker.poll(10).await.expect("polls").has_task);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_given_back_comes_again_under_another_receipt() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("t")).await;

    let (_, first) = worker.take().await;
    worker.ack(&first, false).await.expect("is given back");
    let (dispatch, second) = worker.take().await;
    assert_eq!(dispatch.task_id, "t");
    assert_ne!(first, second);
    gateway.stop().await;
}

#[tokio::test]
async fn a_restarted_worker_gets_back_what_it_held_once() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("t")).await;
    worker.take().await;
    assert!(!worker.poll(10).await.expect("polls").has_task);

    worker.register().await.expect("registers");
    let (dispatch, receipt) = worker.take().await;
    assert_eq!(dispatch.task_id, "t");
    assert!(!worker.poll(10).await.expect("polls").has_task);
    worker.ack(&receipt, true).await.expect("acks");
    worker.register().await.expect("registers");
    assert!(!worker.poll(10).await.expect("polls").has_task);
    gateway.stop().await;
}

#[tokio::test]
async fn a_task_that_never_ends_is_given_up_and_its_run_is_recorded_as_failed() {
    let gateway = Gateway::start_with(Options {
        patience: Patience {
            max_deliveries: 2,
            ..Patience::default()
        },
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("poison")).await;

    for _ in 0..2 {
        worker.take().await;
        worker.register().await.expect("registers");
    }
    assert!(!worker.poll(10).await.expect("polls").has_task);

    let run = gateway.backend.master.run(&run_id("poison")).await;
    let run = run.expect("answers").expect("is known").run;
    assert_eq!(run.status, Some(RunStatus::Failed));
    assert_eq!(
        run.error_message.as_deref(),
        Some("delivered 2 times without an end")
    );
    let dead = gateway.backend.dead_letters.list(10).await;
    let dead = dead.expect("lists");
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].deliveries, 2);
    assert_eq!(dead[0].reason, "delivered 2 times without an end");
    gateway.stop().await;
}

#[tokio::test]
async fn a_heartbeat_that_says_nothing_runs_brings_a_lost_task_back() {
    let gateway = Gateway::start_with(Options {
        memory: memory::Settings {
            heartbeat_interval: Duration::from_millis(1),
            ..memory::Settings::default()
        },
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("t")).await;
    worker.take().await;

    worker.beat(1).await.expect("beats");
    assert!(!worker.poll(10).await.expect("polls").has_task);
    // The poll above took longer than two intervals.
    worker.beat(0).await.expect("beats");
    assert_eq!(worker.take().await.0.task_id, "t");
    gateway.stop().await;
}

#[tokio::test]
async fn a_receipt_that_is_none_is_refused_by_its_rule() {
    let gateway = Gateway::start().await;

    let refused = gateway.worker("w-1").ack("a:b", true).await;
    let refused = refused.expect_err("is refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("receipt_id: "), "{refused:?}");
    gateway.stop().await;
}
