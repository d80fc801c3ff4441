use mockall::Sequence;
use mockall::predicate::eq;

use super::*;
use crate::app::testing::{audited, caller, delivery, journal, receipt, run, silent, task, worker};
use crate::domain::run::Recorded;
use crate::ports::{MockResultStore, MockRunOwners, MockTaskQueue, QueueError};

const WAIT: Duration = Duration::from_secs(5);

fn tasks(queue: MockTaskQueue, results: MockResultStore, journal: Journal) -> Tasks {
    Tasks {
        queue: Arc::new(queue),
        owners: Arc::new(MockRunOwners::new()),
        results: Arc::new(results),
        patience: Patience::default(),
        journal,
    }
}

#[pollster::test]
async fn a_poll_hands_out_what_the_queue_has() {
    let mut queue = MockTaskQueue::new();
    queue
        .expect_take()
        .with(eq(worker("w-1")), eq(WAIT))
        .once()
        .returning(|_, _| Ok(Some(delivery("t", 1))));

    let tasks = tasks(queue, MockResultStore::new(), silent());
    let found = tasks.poll(&caller("w-1"), WAIT).await.expect("polls");
    assert_eq!(found, Some(delivery("t", 1)));
}

#[pollster::test]
async fn trouble_with_the_queue_is_not_an_empty_queue() {
    let mut queue = MockTaskQueue::new();
    queue
        .expect_take()
        .returning(|_, _| Err(QueueError::Unavailable("gone".into())));

    let tasks = tasks(queue, MockResultStore::new(), silent());
    let error = tasks.poll(&caller("w-1"), WAIT).await.expect_err("fails");
    assert!(matches!(error, Error::Queue(QueueError::Unavailable(_))));
}

#[pollster::test]
async fn a_task_without_chances_is_recorded_as_failed_and_then_buried() {
    let mut order = Sequence::new();
    let mut queue = MockTaskQueue::new();
    let mut results = MockResultStore::new();
    queue
        .expect_take()
        .once()
        .in_sequence(&mut order)
        .returning(|_, _| Ok(Some(delivery("poison", 6))));
    results
        .expect_record()
        .withf(|report| {
            report.status == RunStatus::Failed
                && report.run == run("poison")
                && report.error_message == "delivered 5 times without an end"
        })
        .once()
        .in_sequence(&mut order)
        .returning(|_| Ok(Recorded::Repeated));
    queue
        .expect_bury()
        .with(
            eq(worker("w-1")),
            eq(receipt("receipt-1")),
            eq("delivered 5 times without an end"),
        )
        .once()
        .in_sequence(&mut order)
        .returning(|_, _, _| Ok(Settled::Now));
    queue
        .expect_take()
        .with(eq(worker("w-1")), eq(Duration::ZERO))
        .once()
        .in_sequence(&mut order)
        .returning(|_, _| Ok(None));

    let (journal, events) = journal();
    let tasks = tasks(queue, results, journal);
    let found = tasks.poll(&caller("w-1"), WAIT).await.expect("polls");
    assert_eq!(found, None);
    let reason = "delivered 5 times without an end".to_owned();
    assert_eq!(
        audited(&events),
        vec![Action::Buried {
            run: run("poison"),
            reason
        }]
    );
}

#[pollster::test]
async fn a_task_is_not_buried_while_its_failure_cannot_be_recorded() {
    let mut queue = MockTaskQueue::new();
    let mut offers = vec![None, Some(delivery("poison", 6))];
    queue
        .expect_take()
        .returning(move |_, _| Ok(offers.pop().flatten()));
    queue.expect_bury().never();
    let mut results = MockResultStore::new();
    results
        .expect_record()
        .returning(|_| Err(ResultError::Unavailable("away".into())));

    let tasks = tasks(queue, results, silent());
    let found = tasks.poll(&caller("w-1"), WAIT).await.expect("polls");
    assert_eq!(found, None);
}

#[pollster::test]
async fn what_is_given_back_is_written_down_once() {
    let mut queue = MockTaskQueue::new();
    let mut answers = vec![Settled::Before, Settled::Before, Settled::Now];
    queue
        .expect_settle()
        .returning(move |_, _, _| Ok(answers.pop().expect("is asked three times")));

    let (journal, events) = journal();
    let tasks = tasks(queue, MockResultStore::new(), journal);
    for _ in 0..3 {
        let verdict = Verdict::GivenBack("busy".into());
        tasks
            .settle(&caller("w-1"), &receipt("receipt-1"), verdict)
            .await
            .expect("settles");
    }
    let receipt = "receipt-1".to_owned();
    assert_eq!(audited(&events), vec![Action::GaveBack { receipt }]);
}

#[pollster::test]
async fn what_is_done_is_not_written_down() {
    let mut queue = MockTaskQueue::new();
    queue
        .expect_settle()
        .with(
            eq(worker("w-1")),
            eq(receipt("receipt-1")),
            eq(Verdict::Done),
        )
        .returning(|_, _, _| Ok(Settled::Now));

    let (journal, events) = journal();
    let tasks = tasks(queue, MockResultStore::new(), journal);
    tasks
        .settle(&caller("w-1"), &receipt("receipt-1"), Verdict::Done)
        .await
        .expect("settles");
    assert_eq!(audited(&events), vec![]);
}

#[pollster::test]
async fn a_task_is_handed_over_with_its_run_and_released_by_its_receipt() {
    let mut owners = MockRunOwners::new();
    owners
        .expect_assign()
        .with(eq(run("t")), eq(worker("w-1")))
        .once()
        .returning(|_, _| Ok(()));
    let mut queue = MockTaskQueue::new();
    queue
        .expect_release()
        .with(eq(worker("w-1")), eq(receipt("receipt-1")))
        .once()
        .returning(|_, _| Ok(()));

    let tasks = Tasks {
        owners: Arc::new(owners),
        ..tasks(queue, MockResultStore::new(), silent())
    };
    let (caller, delivery) = (caller("w-1"), delivery("t", 1));
    tasks
        .hand_over(&caller, &delivery)
        .await
        .expect("is assigned");
    tasks
        .release(&caller, &delivery.receipt)
        .await
        .expect("is released");
}

#[pollster::test]
async fn another_workers_receipt_is_refused_and_written_down() {
    let mut queue = MockTaskQueue::new();
    queue
        .expect_settle()
        .returning(|_, receipt, _| Err(QueueError::NotTheirs(receipt.clone())));

    let (journal, events) = journal();
    let tasks = tasks(queue, MockResultStore::new(), journal);
    let refused = tasks
        .settle(&caller("w-1"), &receipt("receipt-1"), Verdict::Done)
        .await;
    assert!(matches!(
        refused,
        Err(Error::Queue(QueueError::NotTheirs(_)))
    ));
    assert!(matches!(
        audited(&events)[..],
        [Action::Trespassed {
            what: "receipt",
            ..
        }]
    ));
}

#[pollster::test]
async fn a_task_accepted_over_the_stream_is_kept_until_its_run_has_ended() {
    for (status, done) in [
        (None, false),
        (Some(RunStatus::Running), false),
        (Some(RunStatus::Success), true),
    ] {
        let mut queue = MockTaskQueue::new();
        queue
            .expect_held()
            .returning(|_, _| Ok(Some(delivery("t", 1))));
        queue
            .expect_settle()
            .times(usize::from(done))
            .returning(|_, _, _| Ok(Settled::Now));
        queue
            .expect_note()
            .with(eq(worker("w-1")), eq(Sign::Progress(run("t"))))
            .times(usize::from(!done))
            .returning(|_, _| Ok(()));
        let mut results = MockResultStore::new();
        results.expect_status().returning(move |_| Ok(status));

        let tasks = tasks(queue, results, silent());
        tasks
            .settle_by_task(&caller("w-1"), &task("t"), Verdict::Done)
            .await
            .expect("settles");
    }
}
