//! Every algorithm, and none but the one that was set (T19).

use jsonwebtoken::jwk::{Jwk, JwkSet};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use rcgen::{PKCS_RSA_SHA256, RsaKeySize, SignatureAlgorithm};

use super::*;

/// Keys of one kind: what signs, and the file that verifies.
struct Pair {
    private: EncodingKey,
    private_pem: String,
    public: Vec<u8>,
}

fn pair(kind: &'static SignatureAlgorithm) -> Pair {
    let pair = if kind == &PKCS_RSA_SHA256 {
        KeyPair::generate_rsa_for(kind, RsaKeySize::_2048)
    } else {
        KeyPair::generate_for(kind)
    };
    let pair = pair.expect("makes a key");
    let private_pem = pair.serialize_pem();
    let pem = private_pem.as_bytes();
    let private = if kind == &PKCS_RSA_SHA256 {
        EncodingKey::from_rsa_pem(pem)
    } else if kind == &PKCS_ED25519 {
        EncodingKey::from_ed_pem(pem)
    } else {
        EncodingKey::from_ec_pem(pem)
    };
    Pair {
        private: private.expect("is a private key"),
        public: pair.public_key_pem().into_bytes(),
        private_pem,
    }
}

/// Every algorithm with keys for it.
fn all() -> Vec<(Algorithm, Pair)> {
    let secret = || Pair {
        private: EncodingKey::from_secret(SECRET.as_bytes()),
        private_pem: String::new(),
        public: SECRET.as_bytes().to_vec(),
    };
    vec![
        (Algorithm::Hs256, secret()),
        (Algorithm::Hs384, secret()),
        (Algorithm::Hs512, secret()),
        (Algorithm::Rs256, pair(&PKCS_RSA_SHA256)),
        (Algorithm::Ps256, pair(&PKCS_RSA_SHA256)),
        (Algorithm::Es256, pair(&PKCS_ECDSA_P256_SHA256)),
        (Algorithm::EdDsa, pair(&PKCS_ED25519)),
    ]
}

fn claims() -> Value {
    json!({ "sub": "w", "iat": NOW, "exp": NOW + HOUR })
}

fn by(algorithm: Signature, kid: Option<&str>, key: &EncodingKey) -> Option<String> {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    encode(&header, &claims(), key).ok()
}

fn verifier(algorithm: Algorithm, file: &[u8]) -> Tokens {
    let keys = Keys::parse(algorithm, file).expect("are keys");
    Tokens::new(keys, settings(), Hand::at(NOW))
}

/// T19: of all tokens that all keys sign by all algorithms, one is good.
#[test]
fn a_token_is_by_the_key_and_the_algorithm_that_were_set() {
    let all = all();
    for (set, keys) in &all {
        let tokens = verifier(*set, &keys.public);
        for (algorithm, others) in &all {
            for (signs, _) in &all {
                let Some(token) = by(signs.signature(), None, &others.private) else {
                    continue;
                };
                let same_key = keys.public == others.public;
                let good = same_key && signs == set;
                let told = owner(&tokens, &token);
                assert_eq!(told.is_some(), good, "{set:?} {algorithm:?} {signs:?}");
            }
        }
        let own = by(set.signature(), None, &keys.private).expect("signs");
        assert_eq!(owner(&tokens, &own).as_deref(), Some("w"), "{set:?}");
    }
}

/// T19: a public key is no secret, nor is a key on another curve a key.
#[test]
fn a_public_key_is_not_taken_for_a_secret() {
    for (set, keys) in all() {
        if keys.private_pem.is_empty() {
            continue;
        }
        let tokens = verifier(set, &keys.public);
        for algorithm in [Signature::HS256, Signature::HS384, Signature::HS512] {
            for secret in [&keys.public[..], keys.public.trim_ascii_end()] {
                let forged = by(algorithm, None, &EncodingKey::from_secret(secret));
                let told = owner(&tokens, &forged.expect("signs"));
                assert_eq!(told, None, "{set:?} {algorithm:?}");
            }
        }
        for secrets in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            Keys::parse(secrets, &keys.public).expect_err("is no secret");
            Keys::parse(secrets, keys.private_pem.as_bytes()).expect_err("is no secret");
        }
    }
    let p384 = pair(&PKCS_ECDSA_P384_SHA384);
    let tokens = verifier(Algorithm::Es256, &pair(&PKCS_ECDSA_P256_SHA256).public);
    let token = by(Signature::ES384, None, &p384.private).expect("signs");
    assert_eq!(owner(&tokens, &token), None);
}

/// T19: no algorithm is none.
#[test]
fn a_token_that_nobody_signed_is_nobodys() {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD as URL, Engine as _};

    let payload = URL.encode(claims().to_string());
    for (set, keys) in all() {
        let tokens = verifier(set, &keys.public);
        for name in ["none", "None", "NONE", "nOnE", "", "HS256 ", "hs256"] {
            let header = URL.encode(json!({ "alg": name, "typ": "JWT" }).to_string());
            for signature in ["", "AA", "e30"] {
                let token = format!("{header}.{payload}.{signature}");
                assert_eq!(owner(&tokens, &token), None, "{set:?} {name}");
            }
        }
    }
}

/// Several keys, of several kinds: the one that the token names is the one.
#[test]
fn a_set_holds_keys_of_every_kind() {
    let (all, others) = (all(), all());
    for ((set, keys), (_, rest)) in all.iter().zip(&others) {
        let jwk = |pair: &Pair, name: &str| {
            let keys = Keys::parse(*set, &pair.public).expect("are keys");
            let key = keys.find(None).expect("is the only one");
            let mut jwk = Jwk::from_decoding_key(&key.decoding, None).expect("has a form");
            jwk.common.key_id = Some(name.to_owned());
            jwk
        };
        let known = JwkSet {
            keys: vec![jwk(keys, "one"), jwk(rest, "other")],
        };
        let file = serde_json::to_vec(&known).expect("is JSON");
        let tokens = verifier(*set, &file);
        for (name, pair, good) in [
            ("one", keys, true),
            ("other", rest, true),
            ("none", keys, false),
            ("other", keys, keys.public == rest.public),
        ] {
            let token = by(set.signature(), Some(name), &pair.private).expect("signs");
            assert_eq!(owner(&tokens, &token).is_some(), good, "{set:?} {name}");
        }
    }
}

#[test]
fn what_was_tampered_with_or_is_no_token_is_nobodys() {
    let tokens = tokens(&settings());
    let good = token(json!({}));
    assert!(owner(&tokens, &good).is_some());
    let mut header = Header::new(Signature::HS256);
    header.crit = Some(vec!["exp".into()]);
    let critical = signed(&header, &claims());
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
fn what_is_minted_is_good() {
    let worker = WorkerId::parse("w").expect("is an identifier");
    let settings = Settings {
        issuer: Some("master".into()),
        audience: Some("antcode-gateway".into()),
        ..settings()
    };
    let hour = Duration::from_hours(1);
    let now = Timestamp::from_second(NOW).expect("is a time");
    for (set, pair) in all() {
        let keys = || Keys::parse(set, &pair.public).expect("are keys");
        let private = Some(pair.private_pem.as_bytes());
        let minter = |private| Minter::new(keys(), settings.clone(), &pair.public, private, None);
        let minter_of = minter(private).expect("signs");
        let token = minter_of.mint(&worker, None, now, hour).expect("mints");
        let tokens = Tokens::new(keys(), settings.clone(), Hand::at(NOW));
        assert_eq!(owner(&tokens, token.expose()).as_deref(), Some("w"));
        let long = minter_of.mint(&worker, None, now, hour * 25);
        assert!(matches!(long, Err(MintError::TooLong(_))), "{set:?}");
        if pair.private_pem.is_empty() {
            continue;
        }
        assert!(matches!(minter(None), Err(MintError::NoPrivateKey)));
        let kind = all().into_iter().find(|(other, _)| *other == set);
        let (_, other) = kind.expect("is among them");
        let misfit = minter(Some(other.private_pem.as_bytes())).expect("signs");
        let refused = misfit.mint(&worker, None, now, hour);
        assert!(matches!(refused, Err(MintError::Misfit)), "{set:?}");
    }
}
