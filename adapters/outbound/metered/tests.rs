use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gateway_core::domain::id::{ReceiptId, RunId, TaskId, WorkerId};
use gateway_core::domain::limit::{Class, Demand};
use gateway_core::domain::log::{LogChunk, LogLine, LogStream};
use gateway_core::domain::run::{Recorded, Report, RunStatus};
use gateway_core::domain::task::{Delivery, Settled, Task, Verdict};
use gateway_core::domain::time::Timestamp;
use gateway_core::ports::{
    ChunkReceipt, LimitError, Limiter, LogError, LogSink, MockLogSink, MockResultStore,
    MockTaskQueue, ResultError, ResultStore, TaskQueue,
};
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;

/// What is told after `calls`, one line each, without the zeros and the times.
fn told(calls: impl AsyncFnOnce()) -> Vec<String> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&[60.0])
        .expect("there are buckets")
        .build_recorder();
    let handle = recorder.handle();
    with_local_recorder(&recorder, || pollster::block_on(calls()));
    let text = handle.render();
    let lines = text.lines().filter_map(|line| {
        let line = line.strip_prefix("antcode_gateway_")?;
        let dull = line.ends_with(" 0") || line.contains("_bucket{") || line.contains("_sum{");
        (!dull).then(|| line.to_owned())
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

fn worker() -> WorkerId {
    WorkerId::parse("w-1").expect("is an identifier")
}

fn receipt() -> ReceiptId {
    ReceiptId::parse("1-0").expect("is an identifier")
}

fn run() -> RunId {
    RunId::parse("r").expect("is an identifier")
}

fn delivery(deliveries: u32) -> Delivery {
    Delivery {
        receipt: receipt(),
        task: Task::new(TaskId::parse("t").expect("is an identifier")),
        deliveries,
        returns: 0,
        reason: None,
    }
}

#[test]
fn each_thing_that_befalls_a_task_is_counted_once() {
    let told = told(async || {
        let mut queue = MockTaskQueue::new();
        let mut deliveries = [delivery(1), delivery(2), delivery(6)].into_iter();
        queue
            .expect_take()
            .returning(move |_, _| Ok(deliveries.next()));
        let mut settled = [Settled::Now, Settled::Before, Settled::Now].into_iter();
        queue
            .expect_settle()
            .returning(move |_, _, _| Ok(settled.next().unwrap_or(Settled::Before)));
        queue.expect_bury().returning(|_, _, _| Ok(Settled::Now));
        queue.expect_release().returning(|_, _| Ok(()));
        let counts = Tasks::new(Patience::default());
        let queue = Metered::around(Arc::new(queue) as Arc<dyn TaskQueue>, "task queue", counts);

        let (worker, receipt) = (worker(), receipt());
        for _ in 0..4 {
            let _taken = queue.take(&worker, Duration::from_secs(1)).await;
        }
        let back = Verdict::GivenBack("busy".into());
        for verdict in [Verdict::Done, Verdict::Done, back] {
            queue
                .settle(&worker, &receipt, verdict)
                .await
                .expect("settles");
        }
        queue
            .bury(&worker, &receipt, "used up")
            .await
            .expect("buries");
        queue.release(&worker, &receipt).await.expect("releases");
    });
    assert_eq!(
        told,
        [
            // Of the nine calls the four that wait are not measured.
            "backend_call_duration_seconds_count{port=\"task queue\"} 5",
            "tasks_total{event=\"dead\"} 1",
            "tasks_total{event=\"given_back\"} 1",
            "tasks_total{event=\"handed_out\"} 2",
            "tasks_total{event=\"redelivered\"} 1",
            "tasks_total{event=\"released\"} 1",
            "tasks_total{event=\"settled\"} 1",
        ]
    );
}

#[test]
fn reports_are_counted_by_what_became_of_them() {
    let told = told(async || {
        let mut store = MockResultStore::new();
        let mut outcomes = [
            Ok(Recorded::Repeated),
            Ok(Recorded::Late),
            Ok(Recorded::Spooled),
            Err(ResultError::UnknownRun(run())),
            Err(ResultError::Unavailable("gone".into())),
        ]
        .into_iter();
        store
            .expect_record()
            .returning(move |_| outcomes.next().unwrap_or(Ok(Recorded::Spooled)));
        let store = Arc::new(store) as Arc<dyn ResultStore>;
        let store = Metered::around(store, "result store", Results::new());

        let at = Timestamp::from_second(0).expect("is in range");
        let report = Report::new(run(), worker(), RunStatus::Success, at);
        for _ in 0..5 {
            let _recorded = store.record(&report).await;
        }
    });
    assert_eq!(
        told,
        [
            "backend_call_duration_seconds_count{port=\"result store\"} 5",
            "results_total{outcome=\"committed\"} 2",
            "results_total{outcome=\"failed\"} 1",
            "results_total{outcome=\"refused\"} 1",
            "results_total{outcome=\"spooled\"} 1",
        ]
    );
}

#[test]
fn of_logs_that_is_counted_which_is_stored() {
    let line = LogLine {
        run: run(),
        stream: LogStream::Stdout,
        content: "12345".to_owned(),
        timestamp: String::new(),
        sequence: 1,
    };
    let chunk = LogChunk {
        run: run(),
        stream: LogStream::Stdout,
        data: Bytes::from_static(b"123"),
        offset: 0,
        is_final: false,
        total_size: None,
    };
    let told = told(async || {
        let mut sink = MockLogSink::new();
        let mut answers = [Ok(()), Err(LogError::Full)].into_iter();
        sink.expect_append()
            .returning(move |_| answers.next().unwrap_or(Ok(())));
        let receipt = ChunkReceipt {
            contiguous: 3,
            complete: false,
        };
        sink.expect_store().return_once(move |_| Ok(receipt));
        let sink = Arc::new(sink) as Arc<dyn LogSink>;
        let sink = Metered::around(sink, "log sink", Logs::new());

        let lines = vec![line.clone(), line];
        sink.append(lines.clone()).await.expect("is stored");
        sink.append(lines).await.expect_err("is full");
        sink.store(chunk).await.expect("is stored");
    });
    assert_eq!(
        told,
        [
            "backend_call_duration_seconds_count{port=\"log sink\"} 3",
            "log_bytes_total{kind=\"chunks\"} 3",
            "log_bytes_total{kind=\"lines\"} 10",
            "log_lines_total 2",
        ]
    );
}

/// Takes for ever.
struct Stuck;

#[async_trait]
impl Limiter for Stuck {
    async fn admit(&self, _: &WorkerId, _: Demand) -> Result<(), LimitError> {
        std::future::pending().await
    }
}

#[test]
fn a_call_that_is_given_up_is_measured_too() {
    let told = told(async || {
        let limiter = Metered::around(Arc::new(Stuck) as Arc<dyn Limiter>, "limiter", ());
        let (worker, demand) = (worker(), Demand::call(Class::Log));
        let admitted = limiter.admit(&worker, demand);
        assert!(futures::poll!(admitted).is_pending());
    });
    assert_eq!(
        told,
        ["backend_call_duration_seconds_count{port=\"limiter\"} 1"]
    );
}
