use gateway_core::domain::identity::Secret;
use gateway_core::ports::Clock as _;
use jsonwebtoken::{Algorithm as Signature, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;
use crate::outbound::SystemClock;

const SECRET: &str = "a secret of no less than 64 bytes, as the longest of the hashes has it";
const HOUR: u64 = 3600;

fn now() -> u64 {
    let now = SystemClock.now().as_second();
    now.try_into().expect("is after 1970")
}

fn settings() -> Settings {
    Settings {
        issuer: None,
        audience: None,
        max_lifetime: Duration::from_hours(24),
    }
}

fn tokens(settings: &Settings) -> Tokens {
    let keys = Keys::parse(Algorithm::Hs256, SECRET.as_bytes()).expect("is a key");
    Tokens::new(keys, settings)
}

fn signed(header: &Header, claims: &Value) -> String {
    encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).expect("signs")
}

/// A token of worker `w` that is good for an hour, but for `changes`; null takes a claim out.
fn token(changes: Value) -> String {
    let mut claims = json!({ "sub": "w", "iat": now(), "exp": now() + HOUR });
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
    let credential = Credential::Token(Secret::new(token));
    let told = pollster::block_on(tokens.authenticate(&credential));
    told.ok().map(|worker| worker.to_string())
}

#[test]
fn a_token_is_of_the_worker_that_it_names() {
    let tokens = tokens(&settings());
    for (changes, worker) in [
        (json!({}), "w"),
        (json!({ "worker_id": "w-1" }), "w-1"),
        (json!({ "worker_id": "w-1", "user_id": 7 }), "w-1"),
        (json!({ "iat": null }), "w"),
        (json!({ "aud": "anybody" }), "w"),
    ] {
        let told = owner(&tokens, &token(changes.clone()));
        assert_eq!(told.as_deref(), Some(worker), "{changes}");
    }
}

#[test]
fn a_persons_token_is_no_workers() {
    let tokens = tokens(&settings());
    for changes in [
        json!({ "user_id": 7 }),
        json!({ "token_type": "access" }),
        json!({ "sub": null }),
        json!({ "sub": "a:b" }),
        json!({ "worker_id": "" }),
    ] {
        assert_eq!(owner(&tokens, &token(changes.clone())), None, "{changes}");
    }
}

#[test]
fn a_token_counts_within_its_time_and_a_little_around() {
    let tokens = tokens(&settings());
    for (changes, good) in [
        (json!({ "exp": now() - 20 }), true),
        (json!({ "exp": now() - 40 }), false),
        (json!({ "nbf": now() + 20 }), true),
        (json!({ "nbf": now() + 60 }), false),
        (json!({ "exp": null }), false),
        (json!({ "exp": (now() + HOUR).to_string() }), false),
        (json!({ "nbf": "soon" }), false),
        (json!({ "exp": now() + 25 * HOUR }), false),
        (
            json!({ "exp": now() + 25 * HOUR, "iat": null, "nbf": now() }),
            false,
        ),
    ] {
        let told = owner(&tokens, &token(changes.clone()));
        assert_eq!(told.is_some(), good, "{changes}");
    }
}

#[test]
fn issuer_and_audience_must_be_right_where_they_are_set() {
    let tokens = tokens(&Settings {
        issuer: Some("master".into()),
        audience: Some("antcode-gateway".into()),
        ..settings()
    });
    for (issuer, audience, good) in [
        (json!("master"), json!("antcode-gateway"), true),
        (json!("master"), json!(["x", "antcode-gateway"]), true),
        (json!("other"), json!("antcode-gateway"), false),
        (json!("master"), json!("web"), false),
        (json!(null), json!("antcode-gateway"), false),
        (json!("master"), json!(null), false),
        (json!(7), json!("antcode-gateway"), false),
        (json!("master"), json!(7), false),
    ] {
        let claims = json!({ "iss": issuer, "aud": audience });
        let told = owner(&tokens, &token(claims.clone()));
        assert_eq!(told.is_some(), good, "{claims}");
    }
}

#[test]
fn the_token_does_not_choose_its_algorithm() {
    let tokens = tokens(&settings());
    let claims = json!({ "sub": "w", "exp": now() + HOUR });
    for algorithm in [Signature::HS384, Signature::HS512] {
        let told = owner(&tokens, &signed(&Header::new(algorithm), &claims));
        assert_eq!(told, None, "{algorithm:?}");
    }
    let good = token(json!({}));
    let (_, rest) = good.split_once('.').expect("has parts");
    let (payload, _) = rest.split_once('.').expect("has parts");
    for none in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOT05FIn0"] {
        assert_eq!(owner(&tokens, &format!("{none}.{payload}.")), None);
    }
}

#[test]
fn what_was_tampered_with_or_is_no_token_is_nobodys() {
    let tokens = tokens(&settings());
    let good = token(json!({}));
    assert!(owner(&tokens, &good).is_some());
    let mut header = Header::new(Signature::HS256);
    header.crit = Some(vec!["exp".into()]);
    let critical = signed(&header, &json!({ "sub": "w", "exp": now() + HOUR }));
    let long = token(json!({ "padding": "x".repeat(MAX_LEN) }));
    let (unsigned, _) = good.rsplit_once('.').expect("has parts");
    let other = token(json!({ "sub": "v" }));
    let (_, others) = other.rsplit_once('.').expect("has parts");
    for bad in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        &critical,
        &long,
        unsigned,
        &format!("{unsigned}."),
        &format!("{unsigned}.{others}"),
        &format!("{good}x"),
        &format!("{good}.x"),
    ] {
        assert_eq!(owner(&tokens, bad), None, "{bad:.80}");
    }
}

#[test]
fn other_credentials_are_nobodys_here() {
    let tokens = tokens(&settings());
    let key = Credential::Key(Secret::new(token(json!({}))));
    let told = pollster::block_on(tokens.authenticate(&key));
    assert!(matches!(told, Err(AuthError::Rejected)));
}

/// Secrets as a set, by name; each is 32 times its letter.
fn set_of(names: &[(&str, char)]) -> Vec<u8> {
    let keys = names.iter().map(|(name, letter)| {
        let bytes = letter.to_string().repeat(32);
        let k = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, bytes);
        json!({ "kty": "oct", "kid": name, "k": k })
    });
    json!({ "keys": keys.collect::<Vec<_>>() })
        .to_string()
        .into_bytes()
}

#[test]
fn a_name_picks_one_of_the_keys_and_no_other() {
    let keys = Keys::parse(Algorithm::Hs256, &set_of(&[("old", 'a'), ("new", 'b')]));
    let tokens = Tokens::new(keys.expect("are keys"), &settings());
    let claims = json!({ "sub": "w", "exp": now() + HOUR });
    for (name, letter, good) in [
        (Some("old"), 'a', true),
        (Some("new"), 'b', true),
        (Some("new"), 'a', false),
        (Some("../../etc/passwd"), 'a', false),
        (None, 'a', false),
    ] {
        let mut header = Header::new(Signature::HS256);
        header.kid = name.map(str::to_owned);
        let key = EncodingKey::from_secret(letter.to_string().repeat(32).as_bytes());
        let token = encode(&header, &claims, &key).expect("signs");
        assert_eq!(owner(&tokens, &token).is_some(), good, "{name:?} {letter}");
    }
}

#[test]
fn a_file_of_no_use_is_refused_and_does_not_show() {
    let public = "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n";
    for (algorithm, file, told) in [
        (
            Algorithm::Hs256,
            b"hunter2\n".to_vec(),
            "32 bytes or more, not 7",
        ),
        (
            Algorithm::Hs512,
            SECRET.as_bytes()[..63].to_vec(),
            "64 bytes",
        ),
        (Algorithm::Rs256, SECRET.into(), "no PEM public key"),
        (Algorithm::Es256, public.into(), "no PEM public key"),
        (
            Algorithm::Hs256,
            b"{\"keys\": 7}".to_vec(),
            "no JSON Web Key Set",
        ),
        (Algorithm::Hs256, set_of(&[]), "no key for the algorithm"),
        (
            Algorithm::EdDsa,
            set_of(&[("a", 'a')]),
            "no key for the algorithm",
        ),
        (
            Algorithm::Hs512,
            set_of(&[("a", 'a')]),
            "64 bytes or more, not 32",
        ),
        (
            Algorithm::Hs256,
            set_of(&[("a", 'a'), ("a", 'b')]),
            "two keys are named \"a\"",
        ),
    ] {
        let error = Keys::parse(algorithm, &file)
            .expect_err("is refused")
            .to_string();
        assert!(error.contains(told), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
