mod message;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_core::ports::{
    MockLogSink, MockResultStore, MockRunOwners, MockTaskQueue, MockWorkerRegistry,
};
use tonic::{Code, Status};

use self::message::{Field, Protocol, Value, call};
use self::table::{Bound, FIELDS, MESSAGES};
use crate::support::{Gateway, Options, Worker, proto};

/// What stands in a field for each of `values`; the answers, in their order.
async fn told(worker: &Worker, field: &Field, values: &[Value]) -> Vec<Result<(), Status>> {
    let protocol = Protocol::read();
    let name = field.name();
    let rpc = name.split('.').next().expect("has a first part");
    let mut answers = Vec::new();
    for value in values {
        answers.push(call(worker, rpc, protocol.request(field, value)).await);
    }
    answers
}

/// Values that are too long for `bound`, and the name by which they are refused.
fn beyond(bound: Bound, entries: bool) -> Option<(&'static str, Vec<Value>)> {
    let text = |length: usize| Value::Text("x".repeat(length));
    match bound {
        Bound::Most(most, name) if entries => Some((name, vec![Value::Entries(most + 1)])),
        Bound::Most(most, name) => Some((name, vec![text(most + 1)])),
        Bound::Word(name) => Some((name, vec![text(65), text(100_000)])),
        Bound::Data => {
            let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
            let keys: Vec<_> = (0..=1_000_000).map(|key| format!("\"{key}\":0")).collect();
            let wide = format!("{{{}}}", keys.join(","));
            Some(("data_json", vec![Value::Text(deep), Value::Text(wide)]))
        }
        Bound::Cut | Bound::Message => None,
    }
}

/// A value that is as long as `bound` allows, or long, where that is all it has to be.
fn within(bound: Bound, entries: bool) -> Option<Value> {
    match bound {
        Bound::Most(most, _) if entries => Some(Value::Entries(most)),
        Bound::Most(most, _) => Some(Value::Text("x".repeat(most))),
        Bound::Cut | Bound::Message if entries => Some(Value::Entries(10_000)),
        // It is JSON, too.
        Bound::Cut | Bound::Message => Some(Value::Text(format!("{:?}", "x".repeat(50_000)))),
        Bound::Data => Some(Value::Text(format!("{{\"a\":{:?}}}", "x".repeat(50_000)))),
        Bound::Word(_) => None,
    }
}

/// T12: no field that a client can make long has been forgotten.
#[test]
fn every_field_that_can_grow_is_bounded() {
    let protocol = Protocol::read();
    let fields: BTreeSet<_> = protocol.growing().iter().map(Field::name).collect();
    let bounded = FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(fields, bounded);
    let calls: BTreeSet<_> = protocol.calls().into_iter().map(|(rpc, _)| rpc).collect();
    let bounded = MESSAGES.iter().map(|(rpc, _)| (*rpc).to_owned()).collect();
    assert_eq!(calls, bounded);
}

/// T12: one beyond the limit of a field is refused by its name, and no store is asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_one_too_long_is_refused_by_name() {
    let gateway = Gateway::start_with(Options {
        // Whatever is called of these, panics.
        replace: |ports| {
            ports.log_sink = Arc::new(MockLogSink::new());
            ports.result_store = Arc::new(MockResultStore::new());
            ports.run_owners = Arc::new(MockRunOwners::new());
            ports.task_queue = Arc::new(MockTaskQueue::new());
            ports.worker_registry = Arc::new(MockWorkerRegistry::new());
        },
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");

    for (field, bound) in fields() {
        let name = field.name();
        let Some((named, values)) = beyond(bound, field.is_counted()) else {
            continue;
        };
        for answer in told(&worker, &field, &values).await {
            let refused = answer.expect_err(&name);
            assert_eq!(refused.code(), Code::InvalidArgument, "{name}: {refused:?}");
            let by_name = refused.message().starts_with(&format!("{named}: "));
            assert!(by_name, "{name}: {refused:?}");
        }
    }
    gateway.stop().await;
}

/// T12: and what is not beyond it is not refused for its length.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_too_long_is_not_refused_for_that() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    for (field, bound) in fields() {
        let values = Vec::from_iter(within(bound, field.is_counted()));
        for answer in told(&worker, &field, &values).await {
            // There may be no such run or receipt.
            let code = answer.map_or_else(|refused| refused.code(), |()| Code::Ok);
            let too_long = matches!(code, Code::InvalidArgument | Code::ResourceExhausted);
            assert!(!too_long, "{}: {code:?}", field.name());
        }
    }
    gateway.stop().await;
}

/// Each field, and what bounds it.
fn fields() -> Vec<(Field, Bound)> {
    let growing = Protocol::read().growing();
    let with_bound = growing.into_iter().map(|field| {
        let name = field.name();
        let row = FIELDS.iter().find(|(named, _)| *named == name);
        (field, row.expect(&name).1)
    });
    with_bound.collect()
}

/// T12: what has no use for a large message takes none; what has takes those of the contract.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_weighs_as_much_as_its_call_has_use_for() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let protocol = Protocol::read();

    for (rpc, request) in protocol.calls() {
        let (_, most) = MESSAGES
            .iter()
            .find(|(named, _)| *named == rpc)
            .expect(&rpc);
        for (length, fits) in [(*most, true), (most + 1, false)] {
            let answer = call(&worker, &rpc, protocol.padded(&request, length)).await;
            let code = answer.map_or_else(|refused| refused.code(), |()| Code::Ok);
            let refused = matches!(code, Code::ResourceExhausted | Code::OutOfRange);
            assert_eq!(!refused, fits, "{rpc} of {length} bytes: {code:?}");
        }
    }
    gateway.stop().await;
}

/// T12: a million lines that say nothing are not made into a million lines.
#[tokio::test]
async fn a_million_empty_lines_are_refused_on_their_way_in() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    let logged = worker
        .log(vec![proto::LogEntry::default(); 1_000_000])
        .await;
    let refused = logged.expect_err("is refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("10000"), "{refused:?}");
    worker.beat(0).await.expect("goes on");
    gateway.stop().await;
}
