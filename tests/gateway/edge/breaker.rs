//! A back end that answers, but too slowly to be of use.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::servers::{Proxy, RedisServer, until};
use crate::support::{Program, Worker};

async fn readiness(program: &Program) -> String {
    let mut connection = TcpStream::connect(program.admin).await.expect("connects");
    let request = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let asked = connection.write_all(request.as_bytes()).await;
    asked.expect("asks");
    let mut answer = String::new();
    let read = connection.read_to_string(&mut answer).await;
    read.expect("answers");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_crawls_is_left_alone_until_it_is_well_again() {
    let redis = RedisServer::start().await;
    let proxy = Proxy::start(redis.port()).await;
    let mut program = Program::start(&[
        ("REDIS_URL", &proxy.url()),
        ("AUTH_ENABLED", "false"),
        ("BREAKER_SLOW_MS", "100"),
    ])
    .await;
    let worker = Worker::new(program.grpc, "w-1", None);
    worker.beat(1).await.expect("is heard");

    proxy.delay(Duration::from_millis(200));
    let refused = until("a call is refused", || async { worker.beat(1).await.err() }).await;
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    until("it is told", || async {
        let _either = worker.beat(1).await;
        let told = readiness(&program).await;
        told.contains("breaker").then_some(())
    })
    .await;

    proxy.pass();
    program
        .logged("the breaker opens: calls fail or are slow")
        .await;
    until("calls pass", || async { worker.beat(1).await.ok() }).await;
    until("all is well", || async {
        let _either = worker.beat(1).await;
        readiness(&program).await.ends_with("ready").then_some(())
    })
    .await;
    program.stop().await;
}
