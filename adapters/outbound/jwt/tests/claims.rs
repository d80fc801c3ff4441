//! What a token says (T20, T22).

use super::*;

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

/// T22: what the web API gives to people opens nothing here.
#[test]
fn a_persons_token_is_no_workers() {
    let tokens = tokens(&settings());
    for changes in [
        json!({ "user_id": 7, "username": "admin", "token_type": "access" }),
        json!({ "user_id": 7 }),
        json!({ "token_type": "access" }),
        json!({ "token_type": "refresh", "sub": "w-1" }),
        json!({ "worker_id": null, "user_id": "w-1" }),
    ] {
        assert_eq!(owner(&tokens, &token(changes.clone())), None, "{changes}");
    }
}

/// T20: each time is what it should be, to the second.
#[test]
fn a_token_counts_within_its_time_and_half_a_minute_around() {
    let tokens = tokens(&settings());
    let day = 24 * HOUR;
    for (changes, good) in [
        (json!({ "exp": NOW + 1 }), true),
        (json!({ "exp": NOW - 29 }), true),
        (json!({ "exp": NOW - 30 }), true),
        (json!({ "exp": NOW - 31 }), false),
        (json!({ "exp": 0 }), false),
        (json!({ "exp": -1 }), false),
        (json!({ "exp": null }), false),
        (json!({ "exp": (NOW + HOUR).to_string() }), false),
        (json!({ "exp": true }), false),
        (json!({ "exp": [NOW + HOUR] }), false),
        (json!({ "exp": { "at": NOW + HOUR } }), false),
        // Times may have a fraction.
        (json!({ "exp": 1_800_003_600.5 }), true),
        (json!({ "nbf": NOW + 29 }), true),
        (json!({ "nbf": NOW + 30 }), true),
        (json!({ "nbf": NOW + 31 }), false),
        (json!({ "nbf": "soon" }), false),
        (json!({ "nbf": NOW.to_string() }), false),
        (json!({ "nbf": [] }), false),
        (json!({ "iat": NOW + 30 }), true),
        (json!({ "iat": NOW + 31 }), false),
        (json!({ "iat": "now" }), false),
        // No longer than a day, whatever it says of its beginning.
        (json!({ "exp": NOW + day }), true),
        (json!({ "exp": NOW + day + 1 }), false),
        (
            json!({ "iat": null, "nbf": NOW, "exp": NOW + day + 1 }),
            false,
        ),
        (json!({ "iat": null, "exp": NOW + day }), true),
        (json!({ "iat": null, "exp": NOW + day + 1 }), false),
        (json!({ "iat": NOW + day, "exp": NOW + 2 * day }), false),
    ] {
        let told = owner(&tokens, &token(changes.clone()));
        assert_eq!(told.is_some(), good, "{changes}");
    }
}

/// T20: whom it is from and for.
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
        (json!("Master"), json!("antcode-gateway"), false),
        (json!(""), json!("antcode-gateway"), false),
        (json!("master"), json!("web"), false),
        (json!("master"), json!(["web"]), false),
        (json!("master"), json!([]), false),
        (json!("master"), json!(""), false),
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

/// T20: who it is of.
#[test]
fn a_token_that_names_nobody_is_nobodys() {
    let tokens = tokens(&settings());
    let long = "w".repeat(65);
    for changes in [
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": ["w"] }),
        json!({ "sub": "a:b" }),
        json!({ "sub": "../w" }),
        json!({ "sub": "w\n" }),
        json!({ "sub": long }),
        json!({ "worker_id": "" }),
        json!({ "worker_id": 7 }),
        json!({ "worker_id": "a:b" }),
        json!({ "worker_id": { "sub": "w" } }),
    ] {
        assert_eq!(owner(&tokens, &token(changes.clone())), None, "{changes}");
    }
}
