//! Without Redis there is nowhere to wait: a worker is told at once, and tries again.

use tonic::Code;
use tonic_types::StatusExt as _;

use super::reporters::{Reporters, prepare};
use super::{RESULTS, gateway_alone};
use crate::support::Worker;
use crate::support::servers::{MariaDb, until};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_spool_a_report_is_refused_and_nothing_is_half_written() {
    let server = MariaDb::start().await;
    let database = server.database().await;
    prepare(&database, RESULTS).await;
    let gateway = gateway_alone(&database).await;
    let reporters = Reporters::start(&[gateway.grpc], RESULTS);

    reporters.taken(RESULTS / 4).await;
    server.kill();
    until("reports are refused", || async {
        (reporters.failures() > 0).then_some(())
    })
    .await;
    let worker = Worker::new(gateway.grpc, "w-0", Some("key-of-w-0"));
    let refused = worker
        .report("r-0", "success")
        .await
        .expect_err("is refused");
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(refused.get_details_retry_info().is_some(), "{refused:?}");
    server.restart().await;
    reporters.end(&database).await;
    gateway.stop().await;
}
