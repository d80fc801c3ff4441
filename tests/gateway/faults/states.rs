//! Redis is there and refuses, each time for another reason.

use super::trial::Trial;
use crate::support::servers::{Connection, RedisOptions, RedisServer, until};

#[tokio::test(flavor = "multi_thread")]
async fn it_loads_its_data() {
    let server = with(&["--enable-debug-command", "yes"]).await;
    let mut redis = server.connect().await;
    let trial = Trial::start(&server.url(), &mut redis).await;
    for key in 0..10_000 {
        let set = ["SET", &format!("other-{key}"), "x"];
        redis.send(&set).await.expect("sends");
    }
    for _ in 0..10_000 {
        redis.receive().await.expect("answers");
    }

    // As after a restart, but for as long as we like: it looks around after each key.
    configure(&server, "loading-process-events-interval-bytes", "1024").await;
    configure(&server, "key-load-delay", "10000").await;
    redis.send(&["DEBUG", "RELOAD"]).await.expect("sends");
    refuses_with(&server, "LOADING").await;
    trial.refuses().await;
    refuses_with(&server, "LOADING").await;
    configure(&server, "key-load-delay", "0").await;
    assert_eq!(redis.receive().await.expect("answers").text(), "OK");
    trial.recovers(&mut redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_lost_its_primary() {
    let server = RedisServer::start().await;
    let mut redis = server.connect().await;
    let trial = Trial::start(&server.url(), &mut redis).await;

    configure(&server, "replica-serve-stale-data", "no").await;
    server.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    refuses_with(&server, "MASTERDOWN").await;
    trial.refuses().await;
    server.command(&["REPLICAOF", "NO", "ONE"]).await;
    trial.recovers(&mut redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_lost_its_replicas() {
    let server = RedisServer::start().await;
    let mut redis = server.connect().await;
    let trial = Trial::start(&server.url(), &mut redis).await;

    configure(&server, "min-replicas-to-write", "1").await;
    trial.refuses().await;
    configure(&server, "min-replicas-to-write", "0").await;
    trial.recovers(&mut redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_cannot_write_to_its_disk() {
    let server = with(&["--enable-protected-configs", "yes"]).await;
    let mut redis = server.connect().await;
    let trial = Trial::start(&server.url(), &mut redis).await;
    let folder = tempfile::tempdir().expect("makes a folder");
    let path = folder.path().to_str().expect("is UTF-8");
    configure(&server, "dir", path).await;
    configure(&server, "save", "3600 1").await;

    // Not even root can write to a folder that is gone.
    std::fs::remove_dir(path).expect("removes");
    save(&mut redis).await;
    refuses_with(&server, "MISCONF").await;
    trial.refuses().await;
    std::fs::create_dir(path).expect("makes another");
    configure(&server, "dir", path).await;
    save(&mut redis).await;
    trial.recovers(&mut redis).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_busy_with_somebodys_script() {
    let server = RedisServer::start().await;
    let mut redis = server.connect().await;
    let trial = Trial::start(&server.url(), &mut redis).await;
    let mut somebody = server.connect().await;

    configure(&server, "busy-reply-threshold", "50").await;
    let endless = ["EVAL", "while true do end", "0"];
    somebody.send(&endless).await.expect("sends");
    refuses_with(&server, "BUSY").await;
    trial.refuses().await;
    let killed = server.command(&["SCRIPT", "KILL"]).await;
    assert_eq!(killed.text(), "OK");
    trial.recovers(&mut redis).await;
}

async fn with(arguments: &[&str]) -> RedisServer {
    RedisServer::start_with(RedisOptions {
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        ..RedisOptions::default()
    })
    .await
}

async fn configure(server: &RedisServer, name: &str, value: &str) {
    let set = server.command(&["CONFIG", "SET", name, value]).await;
    assert_eq!(set.error(), None, "{name}");
}

/// Waits until it refuses everything with this code.
async fn refuses_with(server: &RedisServer, code: &str) {
    until(code, || async {
        let answer = server.command(&["PING"]).await;
        answer.error()?.starts_with(code).then_some(())
    })
    .await;
}

/// Saves in the background, and waits until that is over, however it ends.
async fn save(redis: &mut Connection) {
    redis.call(&["BGSAVE"]).await.expect("answers");
    loop {
        let info = redis.call(&["INFO", "persistence"]).await;
        if info
            .expect("answers")
            .text()
            .contains("rdb_bgsave_in_progress:0")
        {
            return;
        }
    }
}
