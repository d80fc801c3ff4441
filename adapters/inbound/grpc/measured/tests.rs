use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{pending, ready};

use http_body_util::{BodyExt as _, StreamBody};
use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::super::proto::gateway_service_server::SERVICE_NAME;
use super::*;

#[test]
fn a_path_is_one_of_the_calls_or_another() {
    for (path, name) in [
        ("/antcode.v1.GatewayService/SendHeartbeat", "SendHeartbeat"),
        ("/antcode.v1.GatewayService/other", "other"),
        ("/antcode.v1.GatewayService/health", "other"),
        ("/antcode.v1.GatewayService/Nothing", "other"),
        ("/grpc.health.v1.Health/Watch", "health"),
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "reflection",
        ),
        ("/metrics", "other"),
    ] {
        assert_eq!(RPCS[index(path)], name, "{path}");
    }
    assert_eq!(PROTOCOL, format!("/{SERVICE_NAME}/"));
    assert_eq!(RPCS.last(), Some(&"other"));
}

#[test]
fn every_code_has_its_name() {
    assert_eq!(CODES[Code::Ok as usize], "OK");
    assert_eq!(
        CODES[Code::ResourceExhausted as usize],
        "RESOURCE_EXHAUSTED"
    );
    assert_eq!(CODES.len(), Code::Unauthenticated as usize + 1);
}

#[test]
fn the_code_is_found_in_the_headers_and_in_the_trailers() {
    let in_headers = Status::unavailable("away").into_http();
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static(STATUS),
        http::HeaderValue::from_static("5"),
    )]);
    let frames = [
        Frame::data(Bytes::from_static(b"x")),
        Frame::trailers(trailers),
    ];
    let frames = futures::stream::iter(frames.map(Ok::<_, Status>));
    let in_trailers = Response::new(Body::new(StreamBody::new(frames)));

    let counted = counted(async |mut service| {
        for answer in [in_headers, in_trailers] {
            let answer = service.answer(Some(answer)).await;
            let _read = answer.into_body().collect().await.expect("reads");
        }
    });
    assert_eq!(counted, [("NOT_FOUND", 1), ("UNAVAILABLE", 1)].into());
}

#[test]
fn an_answer_that_breaks_has_the_code_it_broke_with() {
    let broken = futures::stream::iter([Err::<Frame<Bytes>, _>(Status::data_loss("torn"))]);
    let broken = Response::new(Body::new(StreamBody::new(broken)));

    let counted = counted(async |mut service| {
        let answer = service.answer(Some(broken)).await;
        answer.into_body().collect().await.expect_err("breaks");
    });
    assert_eq!(counted, [("DATA_LOSS", 1)].into());
}

#[test]
fn a_call_that_is_dropped_was_cancelled_wherever_it_was() {
    let counted = counted(async |mut service| {
        drop(service.answer(Some(Response::new(Body::empty()))).await);
        let never = service.answer(None);
        assert!(futures::poll!(Box::pin(never)).is_pending());
    });
    assert_eq!(counted, [("CANCELLED", 2)].into());
}

/// What is answered, by a service that is measured.
struct Fixed(MeasureLayer);

impl Fixed {
    async fn answer(&mut self, answer: Option<Response<Body>>) -> Response<Body> {
        let request = Request::get("/antcode.v1.GatewayService/AckTask");
        let request = request.body(Body::empty()).expect("is a request");
        let mut answer = Some(answer);
        let inner = tower::service_fn(move |_: Request<Body>| -> BoxFuture<'static, _> {
            match answer.take().flatten() {
                Some(answer) => Box::pin(ready(Ok::<_, Infallible>(answer))),
                None => Box::pin(pending()),
            }
        });
        let Ok(answer) = self.0.layer(inner).call(request).await;
        answer
    }
}

/// What `AckTask` was counted as while `calls` went on.
fn counted(calls: impl AsyncFnOnce(Fixed)) -> BTreeMap<&'static str, u64> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    with_local_recorder(&recorder, || {
        pollster::block_on(calls(Fixed(MeasureLayer::new())));
    });
    let text = handle.render();
    let count = |code: &&'static str| {
        let line = format!("{CALLS}{{rpc=\"AckTask\",code=\"{code}\"}} ");
        let (_, rest) = text.split_once(&line)?;
        let count = rest.lines().next()?.parse().ok()?;
        (count > 0).then_some((*code, count))
    };
    CODES.iter().filter_map(count).collect()
}
