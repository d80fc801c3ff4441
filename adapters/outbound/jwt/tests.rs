mod algorithms;
mod claims;
mod files;
mod names;

use std::sync::Mutex;

use jsonwebtoken::{Algorithm as Signature, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "a secret of no less than 64 bytes, as the longest of the hashes has it";
const HOUR: i64 = 3600;

/// When the tests take place.
const NOW: i64 = 1_800_000_000;

/// A clock that a test sets.
struct Hand(Mutex<Timestamp>);

impl Hand {
    fn at(second: i64) -> Arc<Self> {
        let hand = Self(Mutex::new(Timestamp::UNIX_EPOCH));
        hand.set(second);
        Arc::new(hand)
    }

    fn set(&self, second: i64) {
        let at = Timestamp::from_second(second).expect("is a time");
        *self.0.lock().expect("is not poisoned") = at;
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("is not poisoned")
    }
}

fn settings() -> Settings {
    Settings {
        issuer: None,
        audience: None,
        max_lifetime: Duration::from_hours(24),
        cache: Duration::from_secs(30),
    }
}

fn tokens(settings: &Settings) -> Tokens {
    let keys = Keys::parse(Algorithm::Hs256, SECRET.as_bytes()).expect("is a key");
    Tokens::new(keys, settings.clone(), Hand::at(NOW))
}

fn signed(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("signs")
}

/// A token of worker `w` that is good for an hour, but for `changes`; null takes a claim out.
fn token(changes: Value) -> String {
    let mut claims = json!({ "sub": "w", "iat": NOW, "exp": NOW + HOUR });
    let Value::Object(changes) = changes else {
        panic!("{changes} is no object");
    };
    for (name, value) in changes {
        claims[name] = value;
    }
    let object = claims.as_object_mut().expect("is an object");
    object.retain(|_, value| !value.is_null());
    signed(&Header::new(Signature::HS256), &claims)
}

/// Whose token it is, if anybody's.
fn owner(tokens: &Tokens, token: &str) -> Option<String> {
    let told = pollster::block_on(tokens.authenticate(&credential(token)));
    told.ok().map(|worker| worker.to_string())
}

fn credential(token: &str) -> Credential {
    Credential::Token(Secret::new(token))
}

#[test]
fn other_credentials_are_nobodys_here() {
    let tokens = tokens(&settings());
    let key = Credential::Key(Secret::new(token(json!({}))));
    let told = pollster::block_on(tokens.authenticate(&key));
    assert!(matches!(told, Err(AuthError::Rejected)));
    assert_eq!(tokens.recall(&key), Recall::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_was_verified_is_remembered_until_it_ends_or_the_keys_change() {
    let clock = Hand::at(NOW);
    let keys = |secret: &str| Keys::parse(Algorithm::Hs256, secret.as_bytes()).expect("is a key");
    let tokens = Tokens::new(keys(SECRET), settings(), clock.clone());
    let good = credential(&token(json!({})));
    let w = WorkerId::parse("w").expect("is an identifier");
    assert_eq!(tokens.recall(&good), Recall::Unknown);

    tokens.authenticate(&good).await.expect("is good");
    assert_eq!(tokens.recall(&good), Recall::Good(w.clone()));
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(tokens.recall(&good), Recall::Genuine);
    tokens.authenticate(&good).await.expect("is still good");
    assert_eq!(tokens.recall(&good), Recall::Good(w));
    clock.set(NOW + HOUR + 31);
    assert_eq!(tokens.recall(&good), Recall::Unknown, "it has ended");
    clock.set(NOW);

    let bad = credential(&format!("{}x", token(json!({}))));
    tokens.authenticate(&bad).await.expect_err("is bad");
    assert_eq!(tokens.recall(&bad), Recall::Unknown);

    tokens.replace(keys(&SECRET.to_uppercase()));
    assert_eq!(tokens.recall(&good), Recall::Unknown);
    tokens
        .authenticate(&good)
        .await
        .expect_err("is of the old key");
    tokens.replace(keys(SECRET));
    tokens.authenticate(&good).await.expect("is good again");
}
