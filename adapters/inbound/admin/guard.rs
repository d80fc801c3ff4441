use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Refusal;

/// Lets a request pass if it was meant for this machine by name.
///
/// A web page can have its own name resolve to 127.0.0.1 and so make a browser on this machine
/// talk to us. What it cannot do is have the browser name another host than the page's.
pub(super) async fn loopback_only(request: Request, next: Next) -> Response {
    if is_for_loopback(request.headers()) {
        return next.run(request).await;
    }
    Refusal::new(StatusCode::FORBIDDEN, RULE).into_response()
}

const RULE: &str = "host: localhost or a loopback address is needed";

fn is_for_loopback(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter().peekable();
    hosts.peek().is_some()
        && hosts.all(|host| {
            Authority::try_from(host.as_bytes()).is_ok_and(|authority| names_loopback(&authority))
        })
}

fn names_loopback(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    if let Some(address) = host.strip_prefix('[') {
        let address = address.trim_end_matches(']').parse();
        return address.is_ok_and(|address: Ipv6Addr| address.is_loopback());
    }
    let address = host.parse();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn names_of_this_machine_pass_with_any_port() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "127.8.9.1:50052",
            "[::1]",
            "[::1]:50052",
        ] {
            assert!(is_for_loopback(&headers(&[host])), "{host}");
        }
    }

    #[test]
    fn any_other_name_is_kept_out() {
        for host in [
            "",
            "example.org",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "localhost@example.org",
            "example.org@localhost",
            "10.0.0.1:50052",
            "0.0.0.0",
            "[::]",
            "[::ffff:10.0.0.1]",
            "localhost, example.org",
        ] {
            assert!(!is_for_loopback(&headers(&[host])), "{host}");
        }
    }

    #[test]
    fn one_wrong_name_is_enough_and_one_there_must_be() {
        assert!(!is_for_loopback(&headers(&["localhost", "example.org"])));
        assert!(!is_for_loopback(&headers(&[])));
    }

    fn headers(hosts: &[&'static str]) -> HeaderMap {
        let hosts = hosts.iter().copied().map(HeaderValue::from_static);
        hosts.map(|host| (HOST, host)).collect()
    }
}
