//! Who may call, and for whom.

use gateway_core::domain::audit::Action;
use tonic::Code;

use crate::support::{Gateway, Options, Worker, key_of, proto, task};

#[tokio::test]
async fn no_key_or_a_wrong_one_is_unauthenticated() {
    let gateway = Gateway::start().await;

    for key in [None, Some(""), Some("key-of-w-2x"), Some("ключ")] {
        let stranger = Worker::new(gateway.address, "w-1", key.filter(|key| key.is_ascii()));
        let refused = stranger.poll(1).await.expect_err("is refused");
        assert_eq!(refused.code(), Code::Unauthenticated, "{key:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_stranger_is_refused_before_its_body_is_read() {
    let gateway = Gateway::start().await;
    let stranger = Worker::new(gateway.address, "w-1", Some("wrong"));

    // Were it read, it would be refused for its size.
    let oversized = proto::SendLogChunkRequest {
        data: vec![0; 51 << 20].into(),
        ..Default::default()
    };
    let refused = stranger.chunk(oversized).await.expect_err("is refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    gateway.stop().await;
}

#[tokio::test]
async fn a_worker_may_not_act_for_another_in_header_or_message() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    let by_header = worker
        .claiming("w-2")
        .poll(1)
        .await
        .expect_err("is refused");
    assert_eq!(by_header.code(), Code::PermissionDenied);
    assert_eq!(by_header.message(), "worker w-1 may not act for w-2");

    let request = proto::PollTaskRequest {
        worker_id: "w-2".into(),
        timeout_ms: 1,
    };
    let by_message = worker.client().poll_task(worker.request(request)).await;
    assert_eq!(
        by_message.expect_err("is refused").code(),
        Code::PermissionDenied
    );
    gateway.stop().await;
}

#[tokio::test]
async fn every_message_that_names_another_worker_is_refused() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");
    let mut client = worker.client();

    macro_rules! refused {
        ($call:ident, $message:ident $(, $field:ident)*) => {
            let mut message = proto::$message::default();
            message.worker_id = "w-2".into();
            $(message.$field = "r-1".into();)*
            let answer = client.$call(worker.request(message)).await;
            let status = answer.expect_err("is refused");
            assert_eq!(status.code(), Code::PermissionDenied, stringify!($call));
        };
    }
    refused!(poll_task, PollTaskRequest);
    refused!(ack_task, AckTaskRequest, receipt_id);
    refused!(report_result, ReportResultRequest, run_id);
    refused!(send_heartbeat, SendHeartbeatRequest);
    refused!(poll_control, PollControlRequest);
    refused!(ack_control, AckControlRequest, receipt_id);
    refused!(report_control_result, ControlResultRequest, request_id);
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_registers_its_own_worker_alone() {
    let gateway = Gateway::start().await;
    let worker = Worker::new(gateway.address, "w-2", Some(&key_of("w-1")));

    let refused = worker.register().await.expect_err("is refused");
    assert_eq!(refused.code(), Code::PermissionDenied);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_another_workers_stays_so() {
    let gateway = Gateway::start().await;
    let (owner, thief) = (gateway.worker("w-1"), gateway.worker("w-2"));
    gateway.enqueue("w-1", task("t")).await;
    let (dispatch, receipt) = owner.take().await;

    let line = proto::LogEntry {
        run_id: dispatch.run_id.clone(),
        ..Default::default()
    };
    let chunk = proto::SendLogChunkRequest {
        run_id: dispatch.run_id.clone(),
        ..Default::default()
    };
    for (what, refused) in [
        ("receipt", thief.ack(&receipt, true).await),
        ("receipt", thief.ack(&receipt, false).await),
        ("run", thief.report(&dispatch.run_id, "failed").await),
        ("run", thief.log(vec![line]).await),
        ("run", thief.chunk(chunk).await.map(|_| ())),
    ] {
        let refused = refused.expect_err("is refused");
        assert_eq!(
            refused.code(),
            Code::PermissionDenied,
            "{what}: {refused:?}"
        );
    }

    owner
        .report(&dispatch.run_id, "success")
        .await
        .expect("reports");
    owner.ack(&receipt, true).await.expect("acks");
    let trespasses = gateway.audit.latest();
    let trespasses = trespasses
        .iter()
        .filter(|event| matches!(event.action, Action::Trespassed { .. }));
    assert_eq!(trespasses.count(), 5);
    gateway.stop().await;
}

#[tokio::test]
async fn a_worker_registers_by_the_key_in_its_message() {
    let gateway = Gateway::start().await;

    let registered = gateway.worker("w-1").register().await.expect("registers");
    assert!(registered.success);
    assert_eq!(registered.worker_id, "w-1");
    assert_eq!(registered.heartbeat_interval, 30);

    let stranger = Worker::new(gateway.address, "w-1", Some("wrong"));
    let refused = stranger.register().await.expect_err("is refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    let nobody = Worker::new(gateway.address, "w-1", None);
    let refused = nobody.register().await.expect_err("is refused");
    assert_eq!(refused.code(), Code::Unauthenticated);
    gateway.stop().await;
}

#[tokio::test]
async fn a_registration_is_short() {
    let gateway = Gateway::start().await;
    let worker = gateway.worker("w-1");

    let request = proto::RegisterRequest {
        api_key: "k".repeat(100_000),
        ..Default::default()
    };
    let refused = worker.client().register(request).await;
    assert_eq!(
        refused.expect_err("is refused").code(),
        Code::ResourceExhausted
    );
    gateway.stop().await;
}

#[tokio::test]
async fn where_nobody_checks_a_caller_is_who_it_says() {
    let gateway = Gateway::start_with(Options {
        open: true,
        ..Options::default()
    })
    .await;
    gateway.enqueue("anybody", task("t")).await;

    let by_header = Worker::new(gateway.address, "anybody", None);
    let request = proto::PollTaskRequest::default();
    let polled = by_header
        .client()
        .poll_task(by_header.request(request))
        .await;
    assert!(polled.expect("polls").get_ref().has_task);

    let message = proto::SendHeartbeatRequest {
        worker_id: "someone".into(),
        ..Default::default()
    };
    let by_message = by_header.client().send_heartbeat(message).await;
    by_message.expect("is believed");

    let message = proto::SendHeartbeatRequest::default();
    let refused = by_header.client().send_heartbeat(message).await;
    let refused = refused.expect_err("is refused");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");

    let two_faced = by_header.claiming("w-1");
    let message = proto::SendHeartbeatRequest {
        worker_id: "w-2".into(),
        ..Default::default()
    };
    let refused = two_faced
        .client()
        .send_heartbeat(two_faced.request(message))
        .await;
    assert_eq!(
        refused.expect_err("is refused").code(),
        Code::PermissionDenied
    );
    gateway.stop().await;
}

#[tokio::test]
async fn health_and_reflection_ask_nobody_who_they_are() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    let gateway = Gateway::start().await;
    let endpoint = format!("http://{}", gateway.address);
    let channel = tonic::transport::Endpoint::from_shared(endpoint).expect("is a URI");
    let mut health = HealthClient::new(channel.connect_lazy());

    for service in ["", "antcode.v1.GatewayService"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = health.check(request).await.expect("answers");
        assert_eq!(answer.get_ref().status, 1, "{service:?}");
    }
    gateway.stop().await;
}
