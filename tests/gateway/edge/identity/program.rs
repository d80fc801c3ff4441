//! Tokens and files of the program itself.

use std::fs;
use std::path::Path;

use tonic::{Code, Status};

use super::*;
use crate::support::servers::until;
use crate::support::{Program, Worker};

const ISSUED: [(&str, &str); 2] = [("JWT_ISSUER", "me"), ("JWT_AUDIENCE", "antcode-gateway")];

fn text(path: &Path) -> &str {
    path.to_str().expect("is text")
}

async fn mint(settings: &[(&str, &str)], more: &[&str]) -> String {
    let arguments = [&["token", "mint", "--worker", "w-1"], more].concat();
    let (status, token, said) = Program::run(&arguments, settings).await;
    assert!(status.success(), "{said}");
    token.trim().to_owned()
}

async fn call(program: &Program, headers: &[(&'static str, String)]) -> Result<(), Status> {
    let client = Worker::new(program.grpc, "", None).client();
    client.clone().send_heartbeat(beat(headers)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_minted_opens_and_new_keys_close_it() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let (file, draft) = (folder.path().join("jwt"), folder.path().join("draft"));
    // A new file takes the place of the old as a whole.
    let put = |secret: &str| {
        fs::write(&draft, secret).expect("writes");
        fs::rename(&draft, &file).expect("renames");
    };
    put(&"one ".repeat(16));
    let mut settings = vec![
        ("JWT_SECRET_FILE", text(&file)),
        ("AUTH_FAILURES_PER_MINUTE", "100000"),
    ];
    settings.extend(ISSUED);
    let mut program = Program::start(&settings).await;
    let old = bearer(&mint(&settings, &["--ttl", "5m"]).await);
    call(&program, &old).await.expect("is let in");

    put("too short");
    program
        .logged("not read anew: what was read before stays in force")
        .await;
    call(&program, &old).await.expect("is let in still");

    put(&"two ".repeat(16));
    let new = bearer(&mint(&settings, &[]).await);
    until("the new key counts", || async {
        call(&program, &new).await.ok()
    })
    .await;
    let refused = call(&program, &old).await.expect_err("is of the old key");
    assert_eq!(refused.code(), Code::Unauthenticated);

    // T21: a file that is gone is not asked for by a token, whatever it names.
    fs::remove_file(&file).expect("removes");
    let refused = call(&program, &old).await.expect_err("is of the old key");
    assert_eq!(refused.code(), Code::Unauthenticated);
    call(&program, &new).await.expect("is let in still");
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_need_not_be_text() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let file = folder.path().join("jwt");
    fs::write(&file, [0xff_u8; 64]).expect("writes");
    let mut settings = vec![("JWT_SECRET_FILE", text(&file))];
    settings.extend(ISSUED);
    let program = Program::start(&settings).await;

    let token = bearer(&mint(&settings, &[]).await);
    call(&program, &token).await.expect("is let in");
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_pair_signs_with_the_half_that_the_gateway_does_not_have() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let (public, private) = (folder.path().join("public"), folder.path().join("private"));
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("makes a key");
    fs::write(&public, pair.public_key_pem()).expect("writes");
    fs::write(&private, pair.serialize_pem()).expect("writes");
    let settings = [
        ("JWT_SECRET_FILE", text(&public)),
        ("JWT_ALGORITHM", "EdDSA"),
    ];
    let program = Program::start(&settings).await;

    let token = mint(&settings, &["--key", text(&private)]).await;
    call(&program, &bearer(&token)).await.expect("is let in");
    for (arguments, told) in [
        (
            vec!["token", "mint", "--worker", "w-1"],
            "no PEM private key",
        ),
        (
            vec!["token", "mint", "--worker", "a:b", "--key", text(&private)],
            "worker_id",
        ),
        (
            vec![
                "token",
                "mint",
                "--worker",
                "w",
                "--ttl",
                "31d",
                "--key",
                text(&private),
            ],
            "JWT_MAX_LIFETIME_SECONDS",
        ),
    ] {
        let (status, printed, said) = Program::run(&arguments, &settings).await;
        assert!(!status.success() && printed.is_empty(), "{arguments:?}");
        assert!(said.contains(told), "{said}");
    }
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_secrets_are_read_anew_when_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("makes a folder");
    let (keys, secrets) = (folder.path().join("keys"), folder.path().join("secrets"));
    let hash = |key: &str| hex(&Sha256::digest(key));
    let put = |key: &str, secret: &str| {
        fs::write(&keys, json!({ "w-1": hash(key) }).to_string()).expect("writes");
        fs::write(&secrets, json!({ "w-1": secret }).to_string()).expect("writes");
    };
    put("old", "an old secret of w-1");
    let settings = [
        ("API_KEYS_FILE", text(&keys)),
        ("SIGNING_KEYS_FILE", text(&secrets)),
        ("AUTH_FAILURES_PER_MINUTE", "100000"),
    ];
    let program = Program::start(&settings).await;
    call(&program, &key("old")).await.expect("is let in");
    let signed = |nonce: &str, secret: &str| signature("w-1", now(), nonce, secret);
    call(&program, &signed("n-1", "an old secret of w-1"))
        .await
        .expect("is let in");

    put("new", "a new secret of w-1");
    program.signal("HUP");
    until("the new key counts", || async {
        call(&program, &key("new")).await.ok()
    })
    .await;
    call(&program, &key("old"))
        .await
        .expect_err("is of the past");
    let mut number = 1;
    until("the new secret counts", || {
        number += 1;
        let headers = signed(&format!("n-{number}"), "a new secret of w-1");
        let program = &program;
        async move { call(program, &headers).await.ok() }
    })
    .await;
    let refused = call(&program, &signed("n-0", "an old secret of w-1")).await;
    assert_eq!(
        refused.expect_err("is of the past").code(),
        Code::Unauthenticated
    );
    program.stop().await;
}
