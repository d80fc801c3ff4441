//! Tokens that somebody made up, and claims that somebody signed who may.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_core::domain::identity::Secret;
use jsonwebtoken::{EncodingKey, crypto};
use serde_json::Value;

use super::*;
use crate::fuzz::{fuzz, text};
use crate::outbound::SystemClock;

const SECRET: &[u8] = b"a secret of no less than 32 bytes";

fn tokens() -> Tokens {
    let keys = Keys::parse(Algorithm::Hs256, SECRET).expect("is a key");
    let settings = Settings {
        issuer: None,
        audience: None,
        max_lifetime: Duration::from_hours(1 << 32),
        cache: Duration::from_secs(30),
    };
    Tokens::new(keys, settings, Arc::new(SystemClock))
}

fn owner(tokens: &Tokens, token: &str) -> Option<WorkerId> {
    let credential = Credential::Token(Secret::new(token));
    pollster::block_on(tokens.authenticate(&credential)).ok()
}

#[test]
fn nobodys_tokens() {
    let tokens = tokens();
    // Those of the corpus were signed with other secrets, or with none.
    fuzz("jwt", |input| {
        let token = text(input);
        assert_eq!(owner(&tokens, &token), None, "{token}");
        let header = jsonwebtoken::decode_header(&token).ok();
        (
            header.map(|header| (header.kid, header.crit)),
            token.split('.').count(),
        )
    });
}

#[test]
fn signed_claims() {
    let (tokens, key) = (tokens(), EncodingKey::from_secret(SECRET));
    // A line is the header, the rest are the claims; both are signed as they are.
    fuzz("jwt_claims", |input| {
        let end = input.iter().position(|byte| *byte == b'\n');
        let (header, claims) = input.split_at(end.unwrap_or(input.len()));
        let parts = [header, claims.strip_prefix(b"\n").unwrap_or(claims)];
        let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let mac = crypto::sign(signed.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
        let token = format!("{signed}.{}", mac.expect("signs"));
        let worker = owner(&tokens, &token)?;
        // Of what is of no interest not even the numbers are looked at.
        let claims: Value = serde_json::from_slice(parts[1]).ok()?;
        let named = [&claims["worker_id"], &claims["sub"]];
        assert!(named.contains(&&Value::from(worker.as_str())), "{worker}");
        let a_persons = !claims["user_id"].is_null() || !claims["token_type"].is_null();
        assert!(!a_persons || claims["worker_id"].is_string(), "{claims}");
        Some((worker.as_str().len(), a_persons))
    });
}

#[test]
fn key_files() {
    use Algorithm::{EdDsa, Es256, Hs256, Hs384, Hs512, Ps256, Rs256};

    fuzz("jwt_keys", |input| {
        [Hs256, Hs384, Hs512, Rs256, Ps256, Es256, EdDsa].map(|algorithm| {
            let keys = Keys::parse(algorithm, input);
            keys.map(drop).map_err(|error| error.to_string())
        })
    });
}
