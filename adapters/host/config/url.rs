//! Where a backend is, with the password kept out of sight.

use std::fmt;

use gateway_core::domain::identity::Secret;

/// The address of a backend; shown with its password masked.
#[derive(Clone)]
pub struct BackendUrl {
    scheme: String,
    masked: String,
    whole: Secret,
}

impl BackendUrl {
    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The address with its password, for the client that connects.
    pub fn expose(&self) -> &str {
        self.whole.expose()
    }

    /// Reads `scheme://[user[:password]@]host[:port][,host[:port]…][/path][?query]`.
    ///
    /// It is strict, because the mask is only as good as the reading: a `#`, or an `@` after the
    /// first `/` or `?`, may belong to a password that was not percent-encoded.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let plain = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        let sound = plain && is_scheme(scheme) && !tail.contains(['@', '#']);
        if !sound || !hosts.split(',').all(is_host) {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let user = user.map(masked_user).unwrap_or_default();
        let tail = masked_query(tail);
        Some(Self {
            masked: format!("{scheme}://{user}{hosts}{tail}"),
            scheme,
            whole: Secret::new(text),
        })
    }
}

impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

impl fmt::Debug for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What may be shown of `text`: nothing, unless it reads as an address.
pub(super) fn masked(text: &str) -> String {
    BackendUrl::parse(text).map_or_else(|| "***".to_owned(), |url| url.masked)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_host(text: &str) -> bool {
    // Colons within brackets belong to an IPv6 address, not to a port.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let named = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    };
    named && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn masked_user(user: &str) -> String {
    match user.split_once(':') {
        Some((name, _)) => format!("{name}:***@"),
        None => format!("{user}@"),
    }
}

fn masked_query(tail: &str) -> String {
    let Some((path, query)) = tail.split_once('?') else {
        return tail.to_owned();
    };
    let pairs: Vec<String> = query.split('&').map(masked_pair).collect();
    format!("{path}?{}", pairs.join("&"))
}

fn masked_pair(pair: &str) -> String {
    const TELLING: [&str; 6] = ["pass", "pwd", "secret", "token", "key", "auth"];
    match pair.split_once('=') {
        Some((name, _)) if TELLING.iter().any(|t| name.to_lowercase().contains(t)) => {
            format!("{name}=***")
        }
        _ => pair.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_masked_and_the_rest_is_kept() {
        for (whole, shown) in [
            ("redis://localhost:6379/0", "redis://localhost:6379/0"),
            ("redis://:hunter2@h:6379/0", "redis://:***@h:6379/0"),
            ("REDISS://u:hunter2@h", "rediss://u:***@h"),
            ("mysql://u:hun:t@er2@h/d", "mysql://u:***@h/d"),
            ("mysql://u@[::1]:3306/d", "mysql://u@[::1]:3306/d"),
            (
                "redis-sentinel://u:hunter2@a:1,b:2/0?sentinelPassword=hunter2&x=1",
                "redis-sentinel://u:***@a:1,b:2/0?sentinelPassword=***&x=1",
            ),
        ] {
            let url = BackendUrl::parse(whole).expect(whole);

            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(url.expose(), whole);
        }
    }

    #[test]
    fn what_is_no_address_is_not_shown_at_all() {
        for text in [
            "hunter2",
            "u:hunter2@h",
            "mysql:/u:hunter2@h",
            "mysql://u:hunter2",
            "mysql://u:hun/ter2@h/d",
            "mysql://u:hun?ter2@h/d",
            "mysql://u:hun#ter2@h/d",
            "mysql://u:hun ter2@h/d",
            "mysql://u:hunter2@",
            "mysql://u:hunter2@h:port/d",
            "hunter2 ://h",
            "redis://[hunter2]",
        ] {
            assert_eq!(masked(text), "***", "{text}");
        }
    }
}
