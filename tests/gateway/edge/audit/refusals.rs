//! What is refused leaves a trace: who, from where, what, when, and by which name the call went.

use gateway_core::domain::audit::{AuditEvent, Outcome};
use gateway_core::domain::identity::RequestId;
use tonic::{Code, Status};

use crate::support::{Gateway, Worker, key_of, proto, task};

/// The one event that `attempt` leaves; whatever the gateway refuses is told the call's name.
async fn only_event<T>(
    gateway: &Gateway,
    attempt: impl Future<Output = Result<T, Status>>,
    code: Code,
) -> AuditEvent {
    let before = gateway.audit.latest().len();
    let Err(status) = attempt.await else {
        panic!("is let through");
    };
    assert_eq!(status.code(), code, "{status:?}");
    let mut events = gateway.audit.latest().split_off(before);
    assert_eq!(events.len(), 1, "{events:?}");
    let event = events.remove(0);
    let told = status.metadata().get("x-request-id").expect("has a name");
    let noted = event.request.as_ref().map(RequestId::as_str);
    assert_eq!(told.to_str().ok(), noted);
    assert_eq!(event.action.outcome(), Outcome::Refused);
    assert!(event.peer.is_some_and(|peer| peer.is_loopback()));
    event
}

/// Opens a live channel on which nothing is said.
async fn open(worker: &Worker) -> Result<(), Status> {
    let silence = worker.request(tokio_stream::pending());
    worker.client().worker_stream(silence).await.map(drop)
}

fn call(event: &AuditEvent) -> Option<&'static str> {
    event.request.as_ref().and_then(RequestId::call)
}

/// T34: each refusal leaves one record, neither none nor more.
#[tokio::test]
async fn every_refusal_leaves_one_record() {
    let gateway = Gateway::start().await;
    let (one, two) = (gateway.worker("w-1"), gateway.worker("w-2"));
    gateway.enqueue("w-2", task("t")).await;
    let (_, receipt) = two.take().await;
    let (denied, unknown) = (Code::PermissionDenied, Code::Unauthenticated);

    for key in [None, Some("wrong")] {
        let stranger = Worker::new(gateway.address, "w-1", key);
        let event = only_event(&gateway, stranger.poll(1), unknown).await;
        assert_eq!(
            (event.action.name(), call(&event)),
            ("rejected", Some("PollTask"))
        );
        let event = only_event(&gateway, stranger.register(), unknown).await;
        assert_eq!(
            (event.action.name(), call(&event)),
            ("rejected", Some("Register"))
        );
        let event = only_event(&gateway, open(&stranger), unknown).await;
        assert_eq!(
            (event.action.name(), call(&event)),
            ("rejected", Some("WorkerStream"))
        );
    }
    let posing = one.claiming("w-2");
    let event = only_event(&gateway, posing.poll(1), denied).await;
    assert_eq!(event.action.name(), "impersonated");
    let other = Worker::new(gateway.address, "w-2", Some(&key_of("w-1")));
    let event = only_event(&gateway, other.register(), denied).await;
    assert_eq!(event.action.name(), "impersonated");

    for attempt in [
        Box::pin(one.ack(&receipt, true)) as std::pin::Pin<Box<dyn Future<Output = _>>>,
        Box::pin(one.report("t", "success")),
        Box::pin(one.log(vec![proto::LogEntry {
            run_id: "t".into(),
            ..proto::LogEntry::default()
        }])),
    ] {
        let event = only_event(&gateway, attempt, denied).await;
        assert_eq!(event.action.name(), "trespassed");
        assert_eq!(event.actor.expect("is known").as_str(), "w-1");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_call_goes_by_the_name_its_client_gave_it() {
    let gateway = Gateway::start().await;
    let stranger = Worker::new(gateway.address, "w-1", Some("wrong"));

    let named = |name: &str| {
        let mut request = stranger.request(proto::PollTaskRequest::default());
        let headers = request.metadata_mut();
        headers.insert("x-request-id", name.parse().expect("is a header"));
        let mut client = stranger.client();
        async move { client.poll_task(request).await }
    };
    let event = only_event(&gateway, named("call-7"), Code::Unauthenticated).await;
    assert_eq!(event.request.expect("has a name").as_str(), "call-7");
    let event = only_event(&gateway, named("a b"), Code::Unauthenticated).await;
    assert_eq!(event.request.expect("has a name").as_str().len(), 32);
    gateway.stop().await;
}
