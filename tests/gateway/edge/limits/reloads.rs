use std::fs;
use std::time::Duration;

use tokio::time::timeout;

use crate::support::{Program, Worker};

fn local_worker(program: &Program) -> Worker {
    let key = fs::read_to_string(program.folder().join(".antcode-local-key")).expect("is there");
    Worker::new(program.grpc, "local", Some(key.trim()))
}

/// How many heartbeats are let in until one is refused.
async fn admitted(worker: &Worker) -> u32 {
    let mut admitted = 0;
    while worker.beat(0).await.is_ok() {
        admitted += 1;
    }
    admitted
}

/// Sends SIGHUP until it is obeyed: right after its start, the program may not listen yet.
async fn hang_up(program: &mut Program) {
    loop {
        program.signal("HUP");
        let read = timeout(Duration::from_secs(1), program.logged("read anew"));
        if let Ok(read) = read.await {
            assert_eq!(read["what"], "rate limits");
            return;
        }
    }
}

/// Other limits take over without a restart: on SIGHUP, and when a file changes.
#[cfg(unix)]
#[tokio::test]
async fn limits_are_read_anew_and_broken_ones_are_left() {
    let mut program = Program::start(&[]).await;
    let file = program.folder().join(".env");
    let write = |text: &str| fs::write(&file, text).expect("writes");
    let worker = local_worker(&program);

    write("RATE_LIMIT_RATE=0.01\nRATE_LIMIT_CAPACITY=5\n");
    hang_up(&mut program).await;
    assert_eq!(admitted(&worker).await, 5);

    write("RATE_LIMIT_RATE=fast\n");
    let refused = program
        .logged("not read anew: what was read before stays in force")
        .await;
    let reason = refused["reason"].as_str().expect("says why");
    assert!(reason.contains("RATE_LIMIT_RATE"), "{reason}");
    let refused = worker.beat(0).await;
    refused.expect_err("the old limits are in force");

    // What was spent stays spent.
    write("RATE_LIMIT_RATE=0.01\nRATE_LIMIT_CAPACITY=8\n");
    program.logged("read anew").await;
    assert_eq!(admitted(&worker).await, 3);
    program.stop().await;
}
