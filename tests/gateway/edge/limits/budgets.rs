use gateway_core::domain::limit::Limits;

use super::{assert_refused, limiter, line, rate, trips};
use crate::support::{Gateway, Options, task};

/// T27: a worker that floods its logs does not stop its own results, nor anybody else's.
#[tokio::test]
async fn who_floods_logs_can_still_do_its_work() {
    let limits = Limits {
        log: rate(0.01, 5),
        ..Limits::even(rate(1_000.0, 1_000))
    };
    let gateway = Gateway::start_with(Options {
        limiter: limiter(limits),
        ..Options::default()
    })
    .await;
    let (flooding, other) = (gateway.worker("w-1"), gateway.worker("w-2"));
    gateway.enqueue("w-1", task("r")).await;
    let (_, receipt) = flooding.take().await;
    let refused = {
        let mut refused = 0;
        for _ in 0..50 {
            let logged = flooding.log(vec![line("r", "x".into())]).await;
            refused += usize::from(logged.is_err());
        }
        refused
    };
    assert_eq!(refused, 45);

    assert_refused(flooding.log(vec![line("r", "x".into())]).await);
    flooding.beat(1).await.expect("is let in");
    flooding.poll(1).await.expect("is let in");
    flooding.report("r", "success").await.expect("is let in");
    flooding.ack(&receipt, true).await.expect("is let in");
    gateway.enqueue("w-2", task("s")).await;
    other.take().await;
    other
        .log(vec![line("s", "x".into())])
        .await
        .expect("is let in");
    assert_eq!(trips(&gateway), 1, "once a minute is enough");
    gateway.stop().await;
}

/// T27: a worker at fifty times its rate costs the others nothing.
#[tokio::test]
async fn one_workers_flood_refuses_nobody_else() {
    let gateway = Gateway::start_with(Options {
        limiter: limiter(Limits::even(rate(0.01, 10))),
        ..Options::default()
    })
    .await;
    let (flooding, other) = (gateway.worker("w-1"), gateway.worker("w-2"));

    let flood = async {
        let mut admitted = 0;
        for _ in 0..500 {
            admitted += u32::from(flooding.beat(0).await.is_ok());
        }
        admitted
    };
    let work = async {
        for _ in 0..10 {
            other.beat(0).await.expect("is let in");
        }
    };
    let (admitted, ()) = tokio::join!(flood, work);
    assert_eq!(admitted, 10);
    gateway.stop().await;
}

/// T27: logs are limited by what they weigh, too.
#[tokio::test]
async fn bytes_of_logs_are_limited_and_a_large_message_still_passes() {
    let limits = Limits {
        log_bytes: rate(1.0, 1_000),
        ..Limits::even(rate(1_000.0, 1_000))
    };
    let gateway = Gateway::start_with(Options {
        limiter: limiter(limits),
        ..Options::default()
    })
    .await;
    let worker = gateway.worker("w-1");
    gateway.enqueue("w-1", task("r")).await;
    worker.take().await;

    let large = vec![line("r", "x".repeat(10_000))];
    worker.log(large.clone()).await.expect("passes once");
    assert_refused(worker.log(vec![line("r", "x".into())]).await);
    let chunk = crate::support::proto::SendLogChunkRequest {
        run_id: "r".into(),
        data: vec![7; 100].into(),
        ..Default::default()
    };
    assert_refused(worker.chunk(chunk).await);
    worker.beat(1).await.expect("is let in");
    gateway.stop().await;
}

/// T27: where all are limited together, what keeps work going is refused last.
#[tokio::test]
async fn the_control_plane_is_refused_last() {
    let limits = Limits {
        overall: Some(rate(0.01, 20)),
        ..Limits::even(rate(1_000.0, 1_000))
    };
    let (_set, seen) = tokio::sync::watch::channel(Some(limits));
    let overall = gateway_adapters::outbound::Overall::new(limiter(limits), seen);
    let gateway = Gateway::start_with(Options {
        limiter: std::sync::Arc::new(overall),
        ..Options::default()
    })
    .await;
    let (flooding, other) = (gateway.worker("w-1"), gateway.worker("w-2"));

    let mut polls = 0;
    while flooding.poll(1).await.is_ok() {
        polls += 1;
    }
    assert_eq!(polls, 15);
    for _ in 0..5 {
        other.beat(0).await.expect("is let in");
    }
    assert_refused(other.beat(0).await);
    gateway.stop().await;
}
