//! What a token says of its key (T21).

use super::*;

/// Secrets as a set, by name; each is 32 times its letter.
pub(super) fn set_of(names: &[(&str, char)]) -> Vec<u8> {
    let keys = names.iter().map(|(name, letter)| {
        let bytes = letter.to_string().repeat(32);
        let k = base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, bytes);
        json!({ "kty": "oct", "kid": name, "k": k })
    });
    json!({ "keys": keys.collect::<Vec<_>>() })
        .to_string()
        .into_bytes()
}

fn named(name: Option<&str>, letter: char) -> String {
    let mut header = Header::new(Signature::HS256);
    header.kid = name.map(str::to_owned);
    let key = EncodingKey::from_secret(letter.to_string().repeat(32).as_bytes());
    let claims = json!({ "sub": "w", "exp": NOW + HOUR });
    encode(&header, &claims, &key).expect("signs")
}

fn two_keys() -> Tokens {
    let keys = Keys::parse(Algorithm::Hs256, &set_of(&[("old", 'a'), ("new", 'b')]));
    Tokens::new(keys.expect("are keys"), settings(), Hand::at(NOW))
}

#[test]
fn a_name_picks_one_of_the_keys_and_no_other() {
    let tokens = two_keys();
    let long = "x".repeat(4000);
    for (name, letter, good) in [
        (Some("old"), 'a', true),
        (Some("new"), 'b', true),
        (Some("new"), 'a', false),
        (Some("old"), 'b', false),
        (Some("../../etc/passwd"), 'a', false),
        (Some("/dev/null"), 'a', false),
        (Some("old' OR '1'='1"), 'a', false),
        (Some("http://127.0.0.1/keys"), 'a', false),
        (Some("OLD"), 'a', false),
        (Some(""), 'a', false),
        (Some(long.as_str()), 'a', false),
        (None, 'a', false),
    ] {
        let told = owner(&tokens, &named(name, letter));
        assert_eq!(told.is_some(), good, "{name:?} {letter}");
    }
}

/// T21: whoever makes names up makes nobody read a file, and nothing is remembered of them. The
/// keys are those that were given: there is no file that could be asked.
#[test]
fn ten_thousand_names_that_are_made_up_change_nothing() {
    let tokens = two_keys();
    for number in 0..10_000 {
        let token = named(Some(&format!("made-up-{number}")), 'a');
        assert_eq!(owner(&tokens, &token), None);
    }
    tokens.good.run_pending_tasks();
    assert_eq!(tokens.good.entry_count(), 0);
    assert!(owner(&tokens, &named(Some("old"), 'a')).is_some());
}

/// Keys that a token brings or points to are nothing to us.
#[test]
fn a_token_brings_no_key_of_its_own() {
    let tokens = two_keys();
    let mut header = Header::new(Signature::HS256);
    header.jku = Some("http://127.0.0.1:1/keys".into());
    header.x5u = Some("http://127.0.0.1:1/chain".into());
    let set: jsonwebtoken::jwk::JwkSet =
        serde_json::from_slice(&set_of(&[("mine", 'c')])).expect("is a set");
    header.jwk = set.keys.into_iter().next();
    let key = EncodingKey::from_secret("c".repeat(32).as_bytes());
    for name in [None, Some("mine"), Some("old")] {
        header.kid = name.map(str::to_owned);
        let claims = json!({ "sub": "w", "exp": NOW + HOUR });
        let token = encode(&header, &claims, &key).expect("signs");
        assert_eq!(owner(&tokens, &token), None, "{name:?}");
    }
}

/// Those who come in by tokens must not be stopped by the failures of others while keys change.
#[test]
fn a_token_whose_key_stays_is_no_guess_when_others_change() {
    let keys = |names: &[(&str, char)]| {
        let keys = Keys::parse(Algorithm::Hs256, &set_of(names));
        keys.expect("are keys")
    };
    let tokens = two_keys();
    let [old, new] = [("old", 'a'), ("new", 'b')].map(|(name, letter)| {
        let token = named(Some(name), letter);
        assert!(owner(&tokens, &token).is_some());
        credential(&token)
    });
    let w = WorkerId::parse("w").expect("is an identifier");

    tokens.replace(keys(&[("new", 'b'), ("old", 'a')]));
    for token in [&old, &new] {
        assert_eq!(
            tokens.recall(token),
            Recall::Good(w.clone()),
            "all is as it was"
        );
    }
    tokens.replace(keys(&[("new", 'b'), ("newest", 'c')]));
    assert_eq!(tokens.recall(&old), Recall::Unknown, "its key is gone");
    assert_eq!(tokens.recall(&new), Recall::Genuine);
    let told = pollster::block_on(tokens.authenticate(&new));
    assert_eq!(told.expect("is good"), w);
    assert_eq!(tokens.recall(&new), Recall::Good(w));

    // The name is another key's now: it is to be verified, and is not good.
    tokens.replace(keys(&[("new", 'c'), ("other", 'b')]));
    assert_eq!(tokens.recall(&new), Recall::Genuine);
    let told = pollster::block_on(tokens.authenticate(&new));
    assert!(matches!(told, Err(AuthError::Rejected)), "{told:?}");
}
