//! All that the gateway says while the tests run, and the secrets that they use: `tests/run` looks
//! for the one in the other when they are over.

use std::fmt::Debug;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::Service;

/// What is shorter may be part of anything.
const SHORTEST: usize = 6;

/// Keeps what the gateway said, to its log, its operator or a client.
pub(crate) fn said(text: impl Debug) {
    append("said", &format!("{text:?}"));
}

/// Keeps what it must say to nobody.
pub(crate) fn secret(text: &str) {
    if text.len() >= SHORTEST {
        // As it looks where a text is quoted.
        append("secrets", format!("{text:?}").trim_matches('"'));
    }
}

/// Keeps the password of an address, if `setting` is one that has one.
pub(crate) fn secret_of_url(setting: &str) {
    let authority = setting
        .split_once("://")
        .and_then(|(_, rest)| rest.split('/').next());
    let user = authority.and_then(|authority| authority.rsplit_once('@'));
    if let Some((_, password)) = user.and_then(|(user, _)| user.split_once(':')) {
        secret(password);
        secret(&password.replace("%40", "@").replace("%2F", "/"));
    }
}

fn append(kind: &str, line: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(kind);
    fs::create_dir_all(&folder).expect("makes a folder");
    let file = folder.join(std::process::id().to_string());
    let file = OpenOptions::new().create(true).append(true).open(file);
    let written = file
        .expect("opens")
        .write_all(format!("{line}\n").as_bytes());
    written.expect("writes");
}

/// A connection that keeps what clients are told of failures.
#[derive(Clone)]
pub(crate) struct Ear(pub(crate) Channel);

impl Service<http::Request<Body>> for Ear {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            if answer.headers().contains_key("grpc-message") {
                said(answer.headers());
            }
            Ok(answer)
        })
    }
}
