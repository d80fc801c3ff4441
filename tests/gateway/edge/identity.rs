//! Who calls: T13 to T22, and the rules of identity whatever the way it was proven.

mod audited;
mod fields;
#[cfg(feature = "mysql")]
mod guesses;
mod hogs;
mod program;
mod revoked;
mod rows;
mod throttled;
mod ways;

use std::sync::Arc;

use gateway_adapters::outbound::{ByKind, SystemClock, Ways, jwt, memory};
use gateway_core::app::{Certificates, Signatures};
use gateway_core::ports::{Authenticator, Clock as _, Nonces};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tonic::Request;
use tonic::metadata::AsciiMetadataKey;

use crate::support::{Gateway, Options, key_of, proto, worker_id};

/// What tokens are signed with.
const TOKEN_SECRET: &str = "a secret of tokens that no other test has";

/// What a worker signs with.
fn secret_of(worker: &str) -> String {
    format!("signing-secret-of-{worker}")
}

fn now() -> i64 {
    SystemClock.now().as_second()
}

/// A token with `claims`, signed by the right key.
fn token(claims: &Value) -> String {
    let key = EncodingKey::from_secret(TOKEN_SECRET.as_bytes());
    encode(&Header::default(), claims, &key).expect("signs")
}

/// A good token.
fn token_of(worker: &str) -> String {
    token(&json!({ "sub": worker, "iat": now(), "exp": now() + 3600 }))
}

/// The headers of a signature.
fn signature(worker: &str, at: i64, nonce: &str, secret: &str) -> Vec<(&'static str, String)> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("takes any key");
    hmac.update(format!("{worker}\n{at}\n{nonce}").as_bytes());
    let mac = hmac.finalize().into_bytes();
    vec![
        ("x-worker-id", worker.to_owned()),
        ("x-timestamp", at.to_string()),
        ("x-nonce", nonce.to_owned()),
        ("x-signature", hex(&mac)),
    ]
}

/// In lower-case hex.
fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| char::from_digit(digit.into(), 16));
    digits.map(|digit| digit.expect("is below 16")).collect()
}

/// A heartbeat with these headers and no other.
fn beat(headers: &[(&'static str, String)]) -> Request<proto::SendHeartbeatRequest> {
    let mut request = Request::new(proto::SendHeartbeatRequest::default());
    for (name, value) in headers {
        let name = AsciiMetadataKey::from_static(name);
        let value = value.parse().expect("is a header");
        request.metadata_mut().insert(name, value);
    }
    request
}

fn bearer(token: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {token}"))]
}

fn key(key: &str) -> Vec<(&'static str, String)> {
    vec![("x-api-key", key.to_owned())]
}

/// Every way in, for `w-1` and `w-2`.
fn every_way(nonces: Arc<dyn Nonces>) -> Arc<dyn Authenticator> {
    let workers = ["w-1", "w-2"];
    let keys = workers.map(|name| (worker_id(name), Sha256::digest(key_of(name)).into()));
    let secrets: Value = workers
        .map(|name| (name, secret_of(name)))
        .into_iter()
        .collect();
    let settings = jwt::Settings {
        issuer: None,
        audience: None,
        max_lifetime: std::time::Duration::from_hours(24),
        cache: std::time::Duration::from_secs(30),
    };
    let token_keys = jwt::Keys::parse(jwt::Algorithm::Hs256, TOKEN_SECRET.as_bytes());
    let clock = Arc::new(SystemClock);
    let tokens = jwt::Tokens::new(token_keys.expect("is a key"), settings, clock.clone());
    let signing_keys = memory::SigningKeys::parse(&secrets.to_string()).expect("are secrets");
    Arc::new(ByKind::new(Ways {
        keys: Some(Arc::new(memory::ApiKeys::from_iter(keys))),
        tokens: Some(Arc::new(tokens)),
        certificates: Some(Arc::new(Certificates::new(None))),
        signatures: Some(Arc::new(Signatures::new(
            Arc::new(signing_keys),
            nonces,
            clock,
        ))),
    }))
}

/// A gateway with every way in.
async fn gateway() -> Gateway {
    Gateway::start_with(Options {
        authenticator: Some(every_way(Arc::new(memory::Nonces::default()))),
        ..Options::default()
    })
    .await
}
