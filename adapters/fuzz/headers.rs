//! The headers that say who calls, and for how long.

use gateway_core::domain::identity::Credential;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};

use super::fuzz;
use crate::inbound::grpc::testing::{deadline, presented};

/// The head of a call with these headers; a line each, its name before the first colon. What HTTP
/// does not allow does not get as far as this.
fn head(input: &[u8]) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    for line in input.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value.strip_prefix(b":").unwrap_or(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            parts.headers.append(name, value);
        }
    }
    parts
}

#[test]
fn credentials() {
    fuzz("credentials", |input| {
        let parts = head(input);
        let wait = deadline(&parts);
        [true, false].map(|open| match presented(&parts, open) {
            Ok(presented) => {
                for credential in &presented.credentials {
                    let (Credential::Key(secret) | Credential::Token(secret)) = credential else {
                        continue;
                    };
                    // By itself: whoever sends its key as its nonce, too, has shown it itself.
                    let (shown, secret) = (format!("{credential:?}"), secret.expose());
                    // Short ones may be part of the words around them.
                    assert!(secret.len() < 16 || !shown.contains(secret), "{shown}");
                }
                if let Some(request) = &presented.request {
                    let text = request.as_str();
                    assert!(text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic()));
                }
                let kinds = presented.credentials.iter().map(Credential::kind);
                let named = (presented.claimed.is_some(), presented.request.is_some());
                (kinds.collect::<Vec<_>>(), named, wait.is_some())
            }
            Err(invalid) => (vec![invalid.field], (false, false), wait.is_some()),
        })
    });
}
