//! How long connections stay.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, interval};
use tonic::Code;

use super::raw::{Frame, NO_ERROR, Raw, kind};
use super::{connect, gateway, soon};
use crate::support::{Gateway, proto};

/// Waits until the gateway asks for the end of a connection, and for that.
async fn asked_to_end(raw: &mut Raw<TcpStream>) {
    let goaway = soon(raw.down.next_of(kind::GOAWAY)).await;
    let goaway = goaway.expect("is told before the end");
    assert_eq!(goaway.code(), Some(NO_ERROR));
    // It asks in two steps: the answer to its ping is the second's sign.
    let asked = soon(raw.down.next_of(kind::PING)).await.expect("asks");
    let answer = Frame::new(kind::PING, 1, 0, &asked.payload);
    raw.up.send(&answer).await.expect("answers");
    let rest = soon(raw.down.rest()).await;
    assert!(
        rest.iter().any(|frame| frame.kind == kind::GOAWAY),
        "{rest:?}"
    );
}

#[tokio::test]
async fn an_old_connection_is_asked_to_end() {
    let gateway = gateway(|settings| settings.limits.max_age = Duration::from_secs(1)).await;
    let mut raw = Raw::begin(connect(&gateway).await).await;

    asked_to_end(&mut raw).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_call_under_way_outlives_the_age_of_its_connection() {
    let gateway = gateway(|settings| settings.limits.max_age = Duration::from_millis(500)).await;
    let worker = gateway.worker("w-1");

    let polled = worker.poll(3_000).await.expect("is not cut off");
    assert!(!polled.has_task);
    // The client goes on over another connection and notices nothing.
    for _ in 0..3 {
        worker.poll(400).await.expect("is served");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_does_not_end_with_its_old_connection_is_cut_off() {
    let gateway = gateway(|settings| {
        settings.limits.max_age = Duration::from_millis(500);
        settings.limits.max_age_grace = Duration::from_millis(500);
    })
    .await;
    let worker = gateway.worker("w-1");
    let silence = tokio_stream::pending::<proto::WorkerMessage>();
    let opened = worker.client().worker_stream(worker.request(silence)).await;
    let mut channel = opened.expect("is opened").into_inner();

    let told = soon(channel.message()).await.expect_err("is cut off");
    assert_eq!(told.code(), Code::Unavailable);
    assert!(told.message().contains("connect again"), "{told:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn one_that_does_not_answer_is_cut_off_as_well() {
    let gateway = gateway(|settings| {
        settings.limits.max_age = Duration::from_millis(500);
        settings.limits.max_age_grace = Duration::from_millis(500);
    })
    .await;
    let mut raw = Raw::begin(connect(&gateway).await).await;

    let frames = soon(raw.down.rest()).await;
    assert!(
        frames.iter().any(|frame| frame.kind == kind::GOAWAY),
        "{frames:?}"
    );
    gateway.stop().await;
}

/// Lets the gateway send as many answers as there will be.
async fn make_way(raw: &mut Raw<TcpStream>) {
    const PLENTY: u32 = 1 << 30;
    let window = Frame::new(kind::WINDOW_UPDATE, 0, 0, &PLENTY.to_be_bytes());
    raw.up.send(&window).await.expect("makes way");
}

/// The answer to a heartbeat that is sent by hand.
async fn beat(raw: &mut Raw<TcpStream>, stream: u32) -> Option<Frame> {
    let beat = proto::SendHeartbeatRequest {
        worker_id: "w-1".into(),
        ..Default::default()
    };
    let call = Frame::whole_call(stream, "SendHeartbeat", &beat);
    raw.up.send_all(&call).await.ok()?;
    loop {
        let frame = soon(raw.down.next()).await?;
        if (frame.kind, frame.stream) == (kind::HEADERS, stream) {
            return Some(frame);
        }
    }
}

// R16: a worker far away learns late that the gateway leaves, and may just then report a result.
#[tokio::test]
async fn calls_that_begin_while_it_leaves_are_answered() {
    let gateway = patient().await;
    let mut raw = Raw::begin(connect(&gateway).await).await;
    make_way(&mut raw).await;
    gateway.begin_stop();
    let goaway = soon(raw.down.next_of(kind::GOAWAY)).await;
    goaway.expect("is told before the end");
    let asked = soon(raw.down.next_of(kind::PING)).await.expect("asks");

    // For longer than it would stay without a call.
    let began = Instant::now();
    let mut stream = 1;
    while began.elapsed() < Duration::from_secs(3) {
        beat(&mut raw, stream).await.expect("is answered");
        stream += 2;
    }
    let answer = Frame::new(kind::PING, 1, 0, &asked.payload);
    raw.up.send(&answer).await.expect("answers");
    soon(raw.down.rest()).await;
    gateway.stop().await;
}

// R16
#[tokio::test]
async fn one_that_does_not_answer_does_not_hold_up_the_end() {
    let gateway = patient().await;
    let mut raw = Raw::begin(connect(&gateway).await).await;
    beat(&mut raw, 1).await.expect("is answered");
    gateway.begin_stop();

    soon(raw.down.rest()).await;
    soon(gateway.stop()).await;
}

// R16
#[tokio::test]
async fn one_that_goes_on_calling_is_cut_off_after_the_grace() {
    let gateway = gateway(|settings| settings.grace = Duration::from_secs(3)).await;
    let mut raw = Raw::begin(connect(&gateway).await).await;
    make_way(&mut raw).await;
    gateway.begin_stop();

    let mut stream = 1;
    soon(async {
        while beat(&mut raw, stream).await.is_some() {
            stream += 2;
        }
    })
    .await;
    soon(gateway.stop()).await;
}

/// A gateway whose calls get an hour when it leaves.
async fn patient() -> Gateway {
    gateway(|settings| settings.grace = Duration::from_hours(1)).await
}

async fn soon_idle() -> Gateway {
    gateway(|settings| settings.limits.idle = Duration::from_secs(1)).await
}

#[tokio::test]
async fn a_connection_without_calls_is_asked_to_end() {
    let gateway = soon_idle().await;
    let mut raw = Raw::begin(connect(&gateway).await).await;

    asked_to_end(&mut raw).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_call_under_way_keeps_its_connection() {
    let gateway = soon_idle().await;
    let mut raw = Raw::begin(connect(&gateway).await).await;
    let wait = proto::PollTaskRequest {
        worker_id: "w-1".into(),
        timeout_ms: 2_500,
    };
    raw.up
        .send_all(&Frame::whole_call(1, "PollTask", &wait))
        .await
        .expect("polls");

    let answer = async {
        loop {
            let frame = raw.down.next().await.expect("is not cut off");
            if frame.kind == kind::GOAWAY || frame.stream == 1 {
                return frame;
            }
        }
    };
    assert_eq!(soon(answer).await.kind, kind::HEADERS);
    // From here on there is none.
    asked_to_end(&mut raw).await;
    gateway.stop().await;
}

/// The field's workers ping while they have nothing to say.
#[tokio::test]
async fn pings_are_no_calls_and_nothing_to_be_punished_for() {
    let gateway = soon_idle().await;
    let Raw { mut up, mut down } = Raw::begin(connect(&gateway).await).await;

    let pings = async {
        let mut beats = interval(Duration::from_millis(10));
        loop {
            beats.tick().await;
            if up.send(&Frame::ping()).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let goaway = async {
        let mut answers = 0;
        loop {
            let frame = down.next().await.expect("is told before the end");
            match frame.kind {
                kind::PING => answers += 1,
                kind::GOAWAY => return (frame, answers),
                _ => {}
            }
        }
    };
    let (goaway, answers) = soon(async {
        tokio::select! {
            () = pings => unreachable!("it never ends"),
            told = goaway => told,
        }
    })
    .await;
    assert_eq!(goaway.code(), Some(NO_ERROR));
    assert!(answers > 10, "{answers} answers");
    gateway.stop().await;
}
