//! Calls that take too long, are too many, or go wrong.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gateway_adapters::inbound::grpc::Settings;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::limit::Demand;
use gateway_core::ports::{LimitError, Limiter};
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use super::raw::{END_STREAM, Frame, REFUSED_STREAM, Raw, kind};
use super::site::attacked;
use super::{gateway, soon};
use crate::support::proto::gateway_service_client::GatewayServiceClient;
use crate::support::{Gateway, Options, proto};

// T9
#[tokio::test]
async fn calls_on_one_connection_are_as_many_as_was_said() {
    attacked(
        |settings| settings.max_concurrent_streams = 3,
        async |site| {
            let mut raw = Raw::begin(site.connect().await).await;
            let settings = soon(raw.down.next_of(kind::SETTINGS)).await;
            let settings = settings.expect("says its settings").payload;
            let most = settings.chunks(6).find(|setting| setting[..2] == [0, 3]);
            assert_eq!(most.expect("says how many"), [0, 3, 0, 0, 0, 3]);

            for stream in [1, 3, 5, 7] {
                let call = Frame::call(stream, "/antcode.v1.GatewayService/PollTask");
                raw.up.send(&call).await.expect("calls");
            }
            let refused = soon(raw.down.next_of(kind::RST_STREAM)).await;
            let refused = refused.expect("is refused");
            assert_eq!((refused.stream, refused.code()), (7, Some(REFUSED_STREAM)));
        },
    )
    .await;
}

// T9
#[tokio::test]
async fn health_is_watched_a_few_times_only_over_one_connection() {
    let gateway = gateway(|_| {}).await;
    let watch = |channel: Channel| async move {
        let mut client = HealthClient::new(channel);
        let watch = client.watch(HealthCheckRequest::default()).await;
        watch.map(tonic::Response::into_inner)
    };
    let channel = gateway.worker("w-1").channel();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(watch(channel.clone()).await.expect("is watched"));
    }

    let refused = watch(channel.clone()).await.expect_err("is too many");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let other = gateway.worker("w-1").channel();
    watch(other).await.expect("is another connection");
    held.pop();
    soon(async { while watch(channel.clone()).await.is_err() {} }).await;
    gateway.stop().await;
}

// T5
#[tokio::test]
async fn strangers_make_a_few_calls_only_over_one_connection() {
    let gateway = gateway(|settings| {
        // No second passes while the calls are made, as it were.
        settings.limits.strangers_calls_per_second = NonZeroU32::MIN;
    })
    .await;
    let ask = |channel: Channel| async move {
        let mut client = HealthClient::new(channel);
        client.check(HealthCheckRequest::default()).await
    };
    let worker = gateway.worker("w-1");
    let (workers, strangers) = (worker.channel(), gateway.worker("w-2").channel());
    let beat = proto::SendHeartbeatRequest::default();
    let mut client = GatewayServiceClient::new(workers.clone());
    let beat = client.send_heartbeat(worker.request(beat)).await;
    beat.expect("proves who it is");

    let refused = soon(async {
        loop {
            if let Err(refused) = ask(strangers.clone()).await {
                return refused;
            }
        }
    });
    let refused = refused.await;
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(
        refused.message().contains("before one that proves"),
        "{refused:?}"
    );
    for _ in 0..10 {
        ask(workers.clone())
            .await
            .expect("is a worker's connection");
    }
    gateway.stop().await;
}

/// Calls that do not wait themselves are waited for for a second.
fn impatient(settings: &mut Settings) {
    settings.limits.request_timeout = Duration::from_secs(1);
}

// T10
#[tokio::test]
async fn a_message_that_does_not_come_is_not_waited_for() {
    attacked(impatient, async |site| {
        for rpc in ["SendHeartbeat", "Register", "PollTask", "PollControl"] {
            let call = site.worker("w-1").begin_call(rpc);
            let overdue = soon(call).await.expect_err("is overdue");
            assert_eq!(overdue.code(), Code::DeadlineExceeded, "{rpc}");
            assert!(overdue.metadata().contains_key("x-request-id"), "{rpc}");
        }
    })
    .await;
}

// T7, T10: the time is one for all, not one a byte.
#[tokio::test]
async fn a_message_that_comes_in_drops_is_cut_off() {
    attacked(impatient, async |site| {
        let mut drops = tokio::time::interval(Duration::from_millis(20));
        let mut calls = client(site.connect().await).await;
        let request = call("/antcode.v1.GatewayService/SendHeartbeat");
        let (answer, mut body) = calls.send_request(request, false).expect("calls");
        // A message of a kilobyte is announced.
        let head = vec![0, 0, 0, 4, 0];
        body.send_data(head.into(), false).expect("begins");
        let drip = async {
            loop {
                drops.tick().await;
                if body.send_data(vec![10].into(), false).is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let answer = soon(async {
            tokio::select! {
                () = drip => unreachable!("it never ends"),
                answer = answer => answer,
            }
        })
        .await;
        let answer = answer.expect("is answered");
        assert_eq!(answer.headers()["grpc-status"], "4");
    })
    .await;
}

// T4: a client whose calls are refused before their messages have come makes no mistake; what is
// reset counts as one.
#[tokio::test]
async fn a_call_that_is_answered_before_its_message_is_not_reset() {
    let gateway = gateway(|_| {}).await;
    let mut raw = Raw::begin(super::connect(&gateway).await).await;

    let answered = async |raw: &mut Raw<_>, frame: Frame, answer: u8| {
        raw.up.send(&frame).await.expect("is open");
        loop {
            let seen = soon(raw.down.next()).await.expect("is open");
            assert!(
                ![kind::RST_STREAM, kind::GOAWAY].contains(&seen.kind),
                "{seen:?}"
            );
            if seen.kind == answer && seen.flags != 0 {
                return;
            }
        }
    };
    let call = Frame::call(1, "/antcode.v1.GatewayService/NoSuchCall");
    answered(&mut raw, call, kind::HEADERS).await;
    answered(&mut raw, Frame::ping(), kind::PING).await;
    let message = Frame::new(kind::DATA, END_STREAM, 1, &[0; 5]);
    raw.up.send(&message).await.expect("is open");
    answered(&mut raw, Frame::ping(), kind::PING).await;
    gateway.stop().await;
}

// T10
#[tokio::test]
async fn a_poll_gets_its_wait_besides() {
    let gateway = gateway(impatient).await;
    let worker = gateway.worker("w-1");

    let (polled, control) = tokio::join!(worker.poll(2_500), worker.poll_control(2_500));
    assert!(!polled.expect("is not cut off").has_task);
    assert!(!control.expect("is not cut off").has_control);
    gateway.stop().await;
}

// T6
#[tokio::test]
async fn headers_that_weigh_too_much_are_refused() {
    attacked(
        |_| {},
        async |site| {
            let mut calls = client(site.connect().await).await;
            let mut request = call("/antcode.v1.GatewayService/SendHeartbeat");
            for number in 0..17 {
                let name = http::HeaderName::try_from(format!("x-{number}")).expect("is a name");
                let value = "h".repeat(1024).parse().expect("is a value");
                request.headers_mut().insert(name, value);
            }
            let (answer, _body) = calls.send_request(request, true).expect("calls");
            let answer = soon(answer).await.expect("is answered");
            assert_eq!(answer.status(), 431);
        },
    )
    .await;
}

// T11: nothing is unpacked, so nothing can burst.
#[tokio::test]
async fn compressed_messages_are_refused_as_they_are() {
    attacked(
        |_| {},
        async |site| {
            let mut calls = client(site.connect().await).await;
            let mut request = call("/antcode.v1.GatewayService/SendHeartbeat");
            let gzip = "gzip".parse().expect("is a value");
            request.headers_mut().insert("grpc-encoding", gzip);
            let (answer, mut body) = calls.send_request(request, false).expect("calls");
            let packed = [&[1, 0, 0, 0, 20][..], &[0x1f; 20]].concat();
            body.send_data(packed.into(), true).expect("sends");
            let answer = soon(answer).await.expect("is answered");
            assert_eq!(answer.headers()["grpc-status"], "12");
        },
    )
    .await;
}

// T11, T12
#[tokio::test]
async fn a_message_that_would_be_too_large_is_not_waited_for() {
    attacked(impatient, async |site| {
        let mut calls = client(site.connect().await).await;
        let request = call("/antcode.v1.GatewayService/SendLogChunk");
        let (answer, mut body) = calls.send_request(request, false).expect("calls");
        let length: u32 = 50 * 1024 * 1024 + 1;
        let announced = [&[0][..], &length.to_be_bytes()].concat();
        body.send_data(announced.into(), false).expect("announces");
        let answer = soon(answer).await.expect("is answered");
        assert_eq!(answer.headers()["grpc-status"], "11");
    })
    .await;
}

// T31
#[tokio::test]
async fn reflection_is_there_where_it_is_wanted_only() {
    for (wanted, gateway) in [
        (true, gateway(|settings| settings.reflection = true).await),
        (false, gateway(|settings| settings.reflection = false).await),
    ] {
        let channel = gateway.worker("w-1").channel();
        let list = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel);
        let told = client
            .server_reflection_info(tokio_stream::once(list))
            .await;
        match told {
            Ok(_) => assert!(wanted),
            Err(status) => {
                assert_eq!((wanted, status.code()), (false, Code::Unimplemented));
            }
        }
        gateway.stop().await;
    }
}

/// A limiter with a fault.
struct Faulty;

#[async_trait]
impl Limiter for Faulty {
    async fn admit(&self, worker: &WorkerId, _: Demand) -> Result<(), LimitError> {
        assert_eq!(worker.as_str(), "w-2", "is a test");
        Ok(())
    }
}

// R27
#[tokio::test]
async fn a_call_that_panics_takes_nobody_with_it() {
    let gateway = Gateway::start_with(Options {
        limiter: Arc::new(Faulty),
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");

    for _ in 0..3 {
        let failed = worker.beat(0).await.expect_err("panics");
        assert_eq!(failed.code(), Code::Internal);
        assert!(!failed.message().contains("test"), "{failed:?}");
        assert!(failed.metadata().contains_key("x-request-id"));
    }
    gateway.worker("w-2").beat(0).await.expect("is served");
    gateway.stop().await;
}

/// A client that leaves the frames to a library, and the rest to us.
pub(in crate::edge) async fn client(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> SendRequest<bytes::Bytes> {
    let handshake = h2::client::handshake(stream).await;
    let (calls, connection) = handshake.expect("begins");
    // It ends with its client, or with the gateway.
    tokio::spawn(connection);
    calls.ready().await.expect("is ready")
}

pub(in crate::edge) fn call(path: &str) -> Request<()> {
    Request::post(format!("http://gateway{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-api-key", crate::support::key_of("w-1"))
        .body(())
        .expect("is a request")
}
