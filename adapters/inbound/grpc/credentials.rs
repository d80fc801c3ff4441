//! What a call's headers say about who makes it.

use gateway_core::domain::Invalid;
use gateway_core::domain::id::WorkerId;
use gateway_core::domain::identity::{Credential, Presented, RequestId, Secret, Signature};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use super::connection::Connection;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const WORKER_ID: HeaderName = HeaderName::from_static("x-worker-id");
const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("x-timestamp");
const NONCE: HeaderName = HeaderName::from_static("x-nonce");

/// Reads the credentials of a call, in the order in which they are to be tried.
///
/// # Errors
///
/// [`Invalid`] if the worker that the call says it is from is no identifier.
pub(super) fn presented(parts: &Parts, open: bool) -> Result<Presented, Invalid> {
    let claimed = claimed(&parts.headers)?;
    let mut credentials = Vec::with_capacity(1);
    if open {
        credentials.extend(claimed.clone().map(Credential::Claim));
    } else {
        credentials.extend(text(&parts.headers, API_KEY).map(key));
        credentials.extend(bearer(&parts.headers));
    }
    let connection = parts.extensions.get::<Connection>();
    if !open {
        let certificate = connection.and_then(|connection| connection.certificate.clone());
        credentials.extend(certificate.map(Credential::Certificate));
        credentials.extend(signature(&parts.headers, claimed.as_ref()));
    }
    Ok(Presented {
        credentials,
        claimed,
        peer: connection.and_then(|connection| connection.peer),
        request: parts.extensions.get::<RequestId>().cloned(),
    })
}

/// Puts a key before all that was presented; not twice, as a wrong one would count twice.
pub(super) fn put_first(presented: &mut Presented, text: &str) {
    presented.credentials.retain(|credential| {
        let twice = matches!(credential, Credential::Key(key) if key.expose() == text);
        !twice
    });
    presented.credentials.insert(0, key(text));
}

fn key(text: &str) -> Credential {
    Credential::Key(Secret::new(text))
}

fn claimed(headers: &HeaderMap) -> Result<Option<WorkerId>, Invalid> {
    let Some(value) = headers.get(WORKER_ID) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    WorkerId::parse_optional(&text).map_err(|invalid| Invalid {
        field: "x-worker-id",
        ..invalid
    })
}

fn bearer(headers: &HeaderMap) -> Option<Credential> {
    let (scheme, token) = text(headers, header::AUTHORIZATION)?.split_once(' ')?;
    let token = scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim())?;
    Some(Credential::Token(Secret::new(token)))
}

/// The proof that the caller has the secret of the worker that it says it is. What is absent of it
/// is as good as wrong.
fn signature(headers: &HeaderMap, claimed: Option<&WorkerId>) -> Option<Credential> {
    let mac = text(headers, SIGNATURE)?;
    let part = |name| text(headers, name).unwrap_or_default().to_owned();
    Some(Credential::Signature(Signature {
        worker: claimed?.clone(),
        timestamp: part(TIMESTAMP),
        nonce: part(NONCE),
        mac: Secret::new(mac),
    }))
}

/// The value of a header; one that is no text cannot be a credential of ours.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gateway_core::domain::identity::Certificate;
    use http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("is a request").into_parts().0
    }

    /// What was presented, in the order in which it is tried; secrets are not compared elsewhere.
    fn texts(presented: &Presented) -> Vec<&str> {
        fn text(credential: &Credential) -> &str {
            match credential {
                Credential::Key(secret) | Credential::Token(secret) => secret.expose(),
                Credential::Claim(worker) => worker.as_str(),
                Credential::Certificate(_) | Credential::Signature(_) => "a proof",
            }
        }
        presented.credentials.iter().map(text).collect()
    }

    #[test]
    fn the_key_is_tried_before_the_token() {
        let parts = parts(&[("authorization", "Bearer t0"), ("x-api-key", "k0")]);

        let presented = presented(&parts, false).expect("reads");
        assert_eq!(texts(&presented), ["k0", "t0"]);
        let kinds = presented.credentials.iter().map(Credential::kind);
        assert_eq!(kinds.collect::<Vec<_>>(), ["api key", "token"]);
    }

    #[test]
    fn a_key_of_the_message_is_tried_before_all_others_and_once() {
        let parts = parts(&[("authorization", "Bearer t0"), ("x-api-key", "k0")]);
        let mut presented = presented(&parts, false).expect("reads");

        put_first(&mut presented, "k1");
        assert_eq!(texts(&presented), ["k1", "k0", "t0"]);
        put_first(&mut presented, "k0");
        assert_eq!(texts(&presented), ["k0", "k1", "t0"]);
    }

    #[test]
    fn a_certificate_is_tried_before_a_signature_and_both_after_the_others() {
        let headers = [
            ("x-signature", "00"),
            ("x-timestamp", "1"),
            ("x-nonce", "n"),
            ("x-worker-id", "w-1"),
            ("authorization", "Bearer t0"),
            ("x-api-key", "k0"),
        ];
        let mut parts = parts(&headers);
        parts.extensions.insert(Connection {
            certificate: Some(Arc::new(Certificate::default())),
            ..Connection::default()
        });

        let presented = presented(&parts, false).expect("reads");
        let kinds = presented.credentials.iter().map(Credential::kind);
        let order = ["api key", "token", "certificate", "signature"];
        assert_eq!(kinds.collect::<Vec<_>>(), order);
    }

    #[test]
    fn nobody_signs_without_a_name() {
        let unnamed = parts(&[("x-signature", "00"), ("x-nonce", "n")]);

        let presented = presented(&unnamed, false).expect("reads");
        assert!(presented.credentials.is_empty(), "{presented:?}");
    }

    #[test]
    fn a_claim_counts_only_where_nobody_checks() {
        let parts = parts(&[("x-worker-id", "w-1")]);
        let claim = WorkerId::parse("w-1").expect("is an identifier");

        let checked = presented(&parts, false).expect("reads");
        assert!(checked.credentials.is_empty(), "{checked:?}");
        assert_eq!(checked.claimed, Some(claim));
        let open = presented(&parts, true).expect("reads");
        assert_eq!(texts(&open), ["w-1"]);
        assert_eq!(open.credentials[0].kind(), "claim");
    }

    #[test]
    fn a_claim_that_is_no_identifier_is_refused_by_the_headers_name() {
        let refusal = presented(&parts(&[("x-worker-id", "a:b")]), false);
        assert_eq!(refusal.expect_err("is refused").field, "x-worker-id");
    }

    #[test]
    fn an_empty_header_is_none() {
        let parts = parts(&[("x-api-key", ""), ("authorization", "Basic dTpw")]);

        let presented = presented(&parts, false).expect("reads");
        assert!(presented.credentials.is_empty(), "{presented:?}");
    }
}
