//! Redis behind TLS, and what goes wrong there (T33).
//!
//! They speak TLS with a real server, so that none of them passes without the feature for it.

use std::path::Path;

use tokio::time::timeout;

use super::fleet::{assert_empty, enqueue};
use super::redis_away::probe;
use crate::support::servers::{Authority, LONG, RedisTls, text, until};
use crate::support::{Program, Worker};

/// What the README says that a user needs.
const USER: &str = "ACL SETUSER gateway on >a-password-of-redis ~n:* &* +@stream +@hash +@string \
                    +@list +@keyspace +@scripting +@pubsub +@connection +config +info +time";

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_and_a_password_open_the_door() {
    let redis = RedisTls::start().await;
    let user: Vec<_> = USER.split_whitespace().collect();
    assert_eq!(redis.server.command(&user).await.text(), "OK");
    let authority = redis.authority.certificate();
    let mut program = start(
        &redis.url("gateway:a-password-of-redis@"),
        &authority,
        Some(&redis),
    )
    .await;

    until("it is ready", || ready(&program)).await;
    let hears = "waiting polls are woken by keyspace notifications";
    let hears = timeout(LONG, program.logged(hears)).await;
    hears.expect("is told of entries");
    let mut own = redis.server.connect().await;
    enqueue(&mut own, "n", 1, 1).await;
    let worker = Worker::new(program.grpc, "w-0", None);
    let (_, receipt) = worker.take().await;
    worker.ack(&receipt, true).await.expect("is settled");
    assert_empty(&mut own, "n", 1).await;
    let clients = redis.server.command(&["CLIENT", "LIST"]).await.text();
    let gateways = clients.matches("user=gateway").count();
    // Ours are this one and the one that asked.
    assert_eq!(gateways, clients.lines().count() - 2, "{clients}");
    let refused = redis.server.command(&["ACL", "LOG"]).await;
    assert_eq!(refused.array().len(), 0, "{refused:?}");
    program.stop().await;
}

/// T33
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_nobody_known_vouches_for_is_not_spoken_to() {
    let redis = RedisTls::start().await;
    let stranger = Authority::new();
    let certificate = stranger.certificate();

    // Those of the system know nothing of it either.
    for authority in [Some(certificate.as_path()), None] {
        let mut program = start_with(&redis.url(""), authority, Some(&redis)).await;
        let reason = why_away(&mut program).await;
        assert!(reason.contains("InvalidCertificate"), "{reason}");
        assert_eq!(ready(&program).await, None);
        program.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_of_its_own_the_gateway_is_turned_away() {
    let redis = RedisTls::start().await;

    let authority = redis.authority.certificate();
    let mut program = start(&redis.url(""), &authority, None).await;
    let reason = why_away(&mut program).await;
    assert!(reason.contains("CertificateRequired"), "{reason}");
    assert_eq!(ready(&program).await, None);
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_a_right_one_taken_later() {
    let redis = RedisTls::start().await;
    let authority = redis.authority.certificate();
    let url = redis.url("gateway:a-password-of-redis@");

    let mut program = start(&url, &authority, Some(&redis)).await;
    let reason = why_away(&mut program).await;
    assert!(reason.contains("WRONGPASS"), "{reason}");
    assert!(!reason.contains("a-password"), "{reason}");
    assert_eq!(ready(&program).await, None);
    let user: Vec<_> = USER.split_whitespace().collect();
    assert_eq!(redis.server.command(&user).await.text(), "OK");
    until("it is ready", || ready(&program)).await;
    program.stop().await;
}

/// A gateway that goes by these papers; those of a client, if there are any, are from `redis`.
async fn start(url: &str, authority: &Path, redis: Option<&RedisTls>) -> Program {
    start_with(url, Some(authority), redis).await
}

/// The same, without an authority of its own if there is none.
async fn start_with(url: &str, authority: Option<&Path>, redis: Option<&RedisTls>) -> Program {
    let mut settings = vec![
        ("REDIS_URL", url),
        ("REDIS_NAMESPACE", "n"),
        ("AUTH_ENABLED", "false"),
        ("LOG_LEVEL", "INFO"),
    ];
    settings.extend(authority.map(|authority| ("REDIS_TLS_CA_PATH", text(authority))));
    if let Some(RedisTls {
        client: (certificate, key),
        ..
    }) = redis
    {
        settings.push(("REDIS_TLS_CERT_PATH", text(certificate)));
        settings.push(("REDIS_TLS_KEY_PATH", text(key)));
    }
    Program::start(&settings).await
}

/// What the log says of Redis being away, before anything is served or after.
async fn why_away(program: &mut Program) -> String {
    const SAID: &str = "Redis is away; the gateway goes on trying";
    let said = if let Some(said) = program.logged_before(SAID) {
        said
    } else {
        let said = timeout(LONG, program.logged(SAID)).await;
        said.expect("is said in time")
    };
    said["reason"].as_str().expect("has a reason").to_owned()
}

async fn ready(program: &Program) -> Option<()> {
    let (status, _) = probe(program, "/readyz").await;
    (status == 200).then_some(())
}
