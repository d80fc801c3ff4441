use futures::future::join_all;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

use crate::support::proto::{self, PollTaskResponse};
use crate::support::servers::{Connection, until};
use crate::support::{OnRedis, Worker};

/// A gateway whose Redis gets into trouble, while two workers have a task in their hands and
/// another waits for one.
pub(super) struct Trial {
    gateway: OnRedis,
    worker: Worker,
    receipt: String,
    /// Who would give its task back. What is refused may be carried out all the same, so nobody says
    /// two things of one task.
    giver: Worker,
    unwanted: String,
    waiting: JoinHandle<Result<PollTaskResponse, Status>>,
}

impl Trial {
    /// All is well so far; `redis` leads to where the tasks are.
    pub(super) async fn start(url: &str, redis: &mut Connection) -> Self {
        let gateway = OnRedis::start(url, "n").await;
        it_hears(redis).await;
        let worker = gateway.worker("w-0");
        add(redis, "w-0", "t-0").await;
        let (_, receipt) = worker.take().await;
        worker.beat(1).await.expect("is taken");
        worker.log(vec![line(1)]).await.expect("is taken");

        let giver = gateway.worker("w-2");
        add(redis, "w-2", "t-2").await;
        let (_, unwanted) = giver.take().await;
        let waits = gateway.worker("w-1");
        let waiting = tokio::spawn({
            let waits = waits.clone();
            async move { waits.poll(60_000).await }
        });
        // Its first look makes its stream.
        let looked = ["EXISTS", "n:task:ready:w-1"];
        while redis.call(&looked).await.expect("answers").int() == 0 {}
        Self {
            gateway,
            worker,
            receipt,
            giver,
            unwanted,
            waiting,
        }
    }

    /// Whatever needs Redis is UNAVAILABLE, and what does not is served.
    pub(super) async fn refuses(&self) {
        let Self {
            worker,
            receipt,
            giver,
            unwanted,
            ..
        } = self;
        let calls: [(&str, futures::future::BoxFuture<'_, Result<(), Status>>); 6] = [
            ("poll", Box::pin(async { worker.poll(1).await.map(drop) })),
            (
                "poll control",
                Box::pin(async { worker.poll_control(1).await.map(drop) }),
            ),
            ("acknowledge", Box::pin(worker.ack(receipt, true))),
            ("give back", Box::pin(giver.ack(unwanted, false))),
            ("log", Box::pin(worker.log(vec![line(2)]))),
            ("heartbeat", Box::pin(worker.beat(1))),
        ];
        let calls = calls.map(|(what, call)| async move { (what, call.await) });
        for (what, answer) in join_all(calls).await {
            let refused = answer.expect_err(what);
            assert_eq!(refused.code(), Code::Unavailable, "{what}: {refused:?}");
            assert!(!refused.message().contains("Redis"), "{what}: {refused:?}");
        }
        worker.report("t-0", "running").await.expect("is taken");
    }

    /// It serves again by itself, and nothing was lost or came twice. `redis` leads to where the
    /// tasks are.
    pub(super) async fn recovers(self, redis: &mut Connection) {
        let Self {
            gateway,
            worker,
            receipt,
            giver,
            unwanted,
            waiting,
        } = self;
        until("it is settled", || async {
            passing(worker.ack(&receipt, true).await)
        })
        .await;
        until("it is given back", || async {
            passing(giver.ack(&unwanted, false).await)
        })
        .await;
        let (_, again) = giver.take().await;
        giver.ack(&again, true).await.expect("is settled");
        until("lines are taken", || async {
            passing(worker.log(vec![line(2)]).await)
        })
        .await;

        add(redis, "w-1", "t-1").await;
        let mut polled = waiting.await.expect("does not panic");
        let other = gateway.worker("w-1");
        while let Err(refused) = polled {
            assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
            polled = other.poll(60_000).await;
        }
        let polled = polled.expect("is no error");
        let task = polled.task.expect("an outage is not \"no task\"");
        assert_eq!(task.task_id, "t-1");
        let acked = other.ack(&polled.receipt_id, true).await;
        acked.expect("is settled");

        let lines = redis.call(&["XLEN", "n:log:stream:t-0"]).await;
        assert_eq!(lines.expect("answers").int(), 2, "lines");
        super::fleet::assert_empty(redis, "n", 3).await;
        gateway.stop().await;
    }
}

/// Waits until a gateway hears of new entries. Once it does it forgets which runs are whose, as it
/// may not have heard of a change; afterwards it does not.
pub(super) async fn it_hears(redis: &mut Connection) {
    let tests = redis.call(&["KEYS", "n:gateway:probe:*"]).await;
    let mut tests = tests.expect("answers").texts();
    while tests.is_empty() {
        let found = redis.call(&["KEYS", "n:gateway:probe:*"]).await;
        tests = found.expect("answers").texts();
    }
    // It makes its second test when it has heard of the first.
    loop {
        let info = redis.call(&["XINFO", "STREAM", &tests[0]]).await;
        let info = info.expect("answers");
        let (pairs, _) = info.array().as_chunks::<2>();
        let added = pairs
            .iter()
            .find(|[name, _]| name.text() == "entries-added");
        if added.is_some_and(|[_, count]| count.int() >= 2) {
            return;
        }
    }
}

/// What came of a call that may still be refused.
fn passing(answer: Result<(), Status>) -> Option<()> {
    answer
        .inspect_err(|refused| assert_eq!(refused.code(), Code::Unavailable, "{refused:?}"))
        .ok()
}

async fn add(redis: &mut Connection, worker: &str, task: &str) {
    let stream = format!("n:task:ready:{worker}");
    let entry = ["XADD", &stream, "*", "task_id", task, "run_id", task];
    let added = redis.call(&entry).await.expect("answers");
    assert_eq!(added.error(), None);
}

/// A line of the run of the first worker's task.
pub(super) fn line(sequence: i64) -> proto::LogEntry {
    proto::LogEntry {
        run_id: "t-0".into(),
        log_type: "stdout".into(),
        content: format!("line {sequence}"),
        timestamp: "2026-11-22T12:00:00+00:00".into(),
        sequence,
    }
}
