//! Whatever is refused leaves one record and no secret (T34).

use tonic::Code;

use super::*;

/// What must not be heard or written anywhere.
const HIDDEN: &str = "hunter2";

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}

type Headers = Vec<(&'static str, String)>;

/// T13, T15, T16: keys that are nobody's, by what is wrong with them.
fn keys() -> Vec<(&'static str, Headers)> {
    vec![
        ("nothing", vec![]),
        ("a bare name", vec![("x-worker-id", "w-1".into())]),
        ("a wrong key", key(HIDDEN)),
        (
            "the right key with more",
            key(&format!("{}x", key_of("w-1"))),
        ),
        ("the right key with less", key(&key_of("w-1")[..8])),
        ("T15: what is stored of a key", key(&sha256(&key_of("w-1")))),
    ]
}

/// T19 to T22: tokens.
fn tokens() -> Vec<(&'static str, Headers)> {
    let at = now();
    let claims = |sub: &str, exp: i64| token(&json!({ "sub": sub, "exp": exp, "jti": HIDDEN }));
    let person = json!({ "sub": "w-1", "user_id": 7, "token_type": "access", "exp": at + 60 });
    [
        ("no token", HIDDEN.to_owned()),
        (
            "T19: nobody signed it",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3LTEifQ.".into(),
        ),
        ("T20: it is over", claims("w-1", at - 60)),
        ("T20: it is nobody's", claims("a:b", at + 60)),
        ("T21: by another key", forged(None)),
        ("T21: by an unknown key", forged(Some("../../etc/passwd"))),
        ("T22: a person's", token(&person)),
    ]
    .map(|(what, token)| (what, bearer(&token)))
    .into()
}

/// Signatures.
fn signatures() -> Vec<(&'static str, Headers)> {
    let (at, secret) = (now(), secret_of("w-1"));
    let signed = |at: i64, nonce: &str| signature("w-1", at, nonce, &secret);
    let without = |part: &str| {
        let mut headers = signed(at, "n-0");
        headers.retain(|(name, _)| *name != part);
        headers
    };
    vec![
        ("by another secret", signature("w-1", at, "n-1", HIDDEN)),
        (
            "by another worker",
            signature("w-1", at, "n-2", &secret_of("w-2")),
        ),
        ("by a stranger", signature("w-9", at, "n-3", HIDDEN)),
        ("an old one", signed(at - 310, "n-4")),
        ("an early one", signed(at + 310, "n-5")),
        ("a long nonce", signed(at, &"n".repeat(129))),
        ("an odd nonce", signed(at, "a:b")),
        ("no nonce", without("x-nonce")),
        ("no time", without("x-timestamp")),
        ("no name", without("x-worker-id")),
    ]
}

/// A token by a key of somebody's own.
fn forged(name: Option<&str>) -> String {
    let header = Header {
        kid: name.map(str::to_owned),
        ..Header::default()
    };
    let claims = json!({ "sub": "w-1", "exp": now() + 60, "jti": HIDDEN });
    let key = EncodingKey::from_secret(HIDDEN.as_bytes());
    encode(&header, &claims, &key).expect("signs")
}

#[tokio::test]
async fn what_is_nobodys_is_refused_and_leaves_one_record_without_a_secret() {
    let gateway = gateway().await;
    let client = gateway.worker("").client();
    for (what, headers) in [keys(), tokens(), signatures()].concat() {
        let before = gateway.audit.latest().len();
        let refused = client.clone().send_heartbeat(beat(&headers)).await;
        let refused = refused.expect_err(what);
        assert_eq!(refused.code(), Code::Unauthenticated, "{what}: {refused:?}");

        let events = gateway.audit.latest();
        let [event] = &events[before..] else {
            panic!("{what}: {:?}", &events[before..]);
        };
        assert_eq!(event.action.name(), "rejected", "{what}");
        assert_eq!(event.actor, None, "{what}");
        assert!(event.peer.is_some(), "{what}");
        let told = format!("{refused:?} {event:?}");
        let secrets = headers
            .iter()
            .filter(|(name, _)| matches!(*name, "x-api-key" | "authorization" | "x-signature"));
        for (_, secret) in secrets {
            let secret = secret.trim_start_matches("Bearer ");
            assert!(!told.contains(secret), "{what}: {told}");
        }
        assert!(!told.contains(HIDDEN), "{what}: {told}");
    }
    gateway.stop().await;
}
