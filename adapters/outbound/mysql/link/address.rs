//! Where `MySQL` is, read from its URL and the settings beside it.

use std::path::Path;

use mysql_async::{Opts, OptsBuilder, SslOpts};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{Settings, Tls};

/// Why `MySQL` cannot be addressed.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The URL is none that can be used. Its text may hold a password, so it is not shown.
    #[error("the URL of MySQL cannot be used: {0}")]
    Url(String),
    /// The URL asks for less than the settings.
    #[error("ssl-mode={0} in the URL of MySQL is less than DATABASE_TLS asks for; leave one out")]
    Weaker(String),
    /// A file is no good.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nobody to vouch for the server.
    #[error("TLS to MySQL cannot be set up: the system has no certificate authority")]
    NoAuthority,
}

/// What the library is told.
pub(super) fn options(settings: &Settings) -> Result<Opts, AddressError> {
    let (url, asked) = split(settings.url.expose())?;
    let tls = match asked {
        Some((word, asked)) if asked < settings.tls => return Err(AddressError::Weaker(word)),
        Some((_, asked)) => asked,
        None => settings.tls,
    };
    let options = Opts::from_url(&url).map_err(|error| AddressError::Url(error.to_string()))?;
    if options.db_name().is_none() {
        let lack = "it names no database (mysql://user:password@host:3306/database)";
        return Err(AddressError::Url(lack.to_owned()));
    }
    let options = OptsBuilder::from_opts(options)
        .ssl_opts(certainty(tls, settings.ca.as_deref())?)
        // The socket that a server on this machine names need not be its own, and has no TLS.
        .prefer_socket(false)
        .tcp_keepalive(Some(30_000_u32))
        // An update tells how many rows it found, not how many it changed.
        .client_found_rows(true)
        // Diesel has its own.
        .stmt_cache_size(0);
    Ok(options.into())
}

/// The URL without what the library does not know, and the `ssl-mode` it names.
fn split(url: &str) -> Result<(String, Option<(String, Tls)>), AddressError> {
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), None));
    };
    let mut kept = Vec::new();
    let mut asked = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name.to_ascii_lowercase().as_str() {
            "ssl-mode" | "ssl_mode" => asked = Some((value.to_owned(), mode(value)?)),
            // Every client of the platform says so, and there is no other for us.
            "charset" if value.eq_ignore_ascii_case("utf8mb4") => {}
            "charset" => return Err(AddressError::Url("the charset must be utf8mb4".to_owned())),
            "require_ssl" | "verify_ca" | "verify_identity" | "built_in_roots" => {
                return Err(AddressError::Url(format!("say ssl-mode instead of {name}")));
            }
            _ => kept.push(pair),
        }
    }
    let query = kept.join("&");
    let separator = if query.is_empty() { "" } else { "?" };
    Ok((format!("{base}{separator}{query}"), asked))
}

/// What the words of `MySQL`'s own clients come to. With `VERIFY_CA` the name is checked as well:
/// the library cannot check the one without the other.
fn mode(word: &str) -> Result<Tls, AddressError> {
    match word.to_ascii_uppercase().as_str() {
        "DISABLED" => Ok(Tls::Disabled),
        "REQUIRED" => Ok(Tls::Required),
        "VERIFY_CA" | "VERIFY_IDENTITY" => Ok(Tls::Verified),
        _ => Err(AddressError::Url(
            "ssl-mode is one of DISABLED, REQUIRED, VERIFY_CA and VERIFY_IDENTITY".to_owned(),
        )),
    }
}

fn certainty(tls: Tls, ca: Option<&Path>) -> Result<Option<SslOpts>, AddressError> {
    Ok(match tls {
        Tls::Disabled => None,
        Tls::Required => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
        Tls::Verified => {
            let authorities = authorities(ca)?.into_iter();
            let authorities = authorities.map(|certificate| certificate.to_vec().into());
            let verified = SslOpts::default().with_disable_built_in_roots(true);
            Some(verified.with_root_certs(authorities.collect()))
        }
    })
}

fn authorities(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, AddressError> {
    let certificates = match ca {
        Some(path) => certificates(path)?,
        // One bad file of the system's spoils no other.
        None => rustls_native_certs::load_native_certs().certs,
    };
    if certificates.is_empty() {
        return Err(AddressError::NoAuthority);
    }
    Ok(certificates)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AddressError> {
    let bad = |reason: &dyn std::fmt::Display| AddressError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))?;
    let all: Result<Vec<_>, _> = read.collect();
    let all = all.map_err(|error| bad(&error))?;
    if all.is_empty() {
        return Err(bad(&"holds no certificate"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use gateway_core::domain::identity::Secret;

    use super::*;

    #[test]
    fn every_part_may_be_percent_encoded() {
        let options =
            read("mysql://u%40x:p%40ss%2Fw%C3%B6rd@db.example:3307/ant%2Dcode?charset=utf8mb4");
        let options = options.expect("is an address");

        assert_eq!(options.user(), Some("u@x"));
        assert_eq!(options.pass(), Some("p@ss/wörd"));
        assert_eq!(options.ip_or_hostname(), "db.example");
        assert_eq!(options.tcp_port(), 3307);
        assert_eq!(options.db_name(), Some("ant-code"));
        assert!(options.client_found_rows() && !options.prefer_socket());
        assert_eq!(options.stmt_cache_size(), 0);
    }

    #[test]
    fn the_url_may_ask_for_more_than_the_settings_and_not_for_less() {
        for (mode, settings, certain) in [
            ("", Tls::Disabled, Some(Tls::Disabled)),
            ("", Tls::Required, Some(Tls::Required)),
            ("?ssl-mode=DISABLED", Tls::Disabled, Some(Tls::Disabled)),
            ("?ssl-mode=required", Tls::Disabled, Some(Tls::Required)),
            ("?ssl_mode=VERIFY_CA", Tls::Required, Some(Tls::Verified)),
            (
                "?ssl-mode=VERIFY_IDENTITY",
                Tls::Verified,
                Some(Tls::Verified),
            ),
            ("?ssl-mode=DISABLED", Tls::Required, None),
            ("?ssl-mode=REQUIRED", Tls::Verified, None),
        ] {
            let options = options(&Settings {
                tls: settings,
                ..settings_of(&format!("mysql://u:p@h/d{mode}"))
            });
            let read = options.map(|options| match options.ssl_opts() {
                None => Tls::Disabled,
                Some(tls) if tls.accept_invalid_certs() => Tls::Required,
                Some(tls) => {
                    assert!(tls.disable_built_in_roots() && !tls.skip_domain_validation());
                    Tls::Verified
                }
            });
            match certain {
                Some(certain) => assert_eq!(read.expect(mode), certain, "{mode}"),
                None => assert!(matches!(read, Err(AddressError::Weaker(_))), "{mode}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_password() {
        for (url, told) in [
            ("mysql://u:hunter2@h", "names no database"),
            (
                "mysql://u:hunter2@h/d?ssl-mode=PREFERRED",
                "ssl-mode is one of",
            ),
            ("mysql://u:hunter2@h/d?require_ssl=true", "say ssl-mode"),
            ("mysql://u:hunter2@h/d?charset=latin1", "utf8mb4"),
            ("mysql://u:hunter2@h/d?maxsize=5", "maxsize"),
            ("redis://u:hunter2@h/d", "redis"),
            ("hunter2", "URL"),
        ] {
            let message = read(url).expect_err(url).to_string();
            assert!(message.contains(told), "{url}: {message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn a_file_without_an_authority_is_named() {
        let file = tempfile::NamedTempFile::new().expect("makes a file");
        for path in [file.path(), Path::new("/nowhere/ca.pem")] {
            let refused = options(&Settings {
                tls: Tls::Verified,
                ca: Some(path.to_owned()),
                ..settings_of("mysql://u:p@h/d")
            });
            let message = refused.expect_err("is refused").to_string();
            assert!(
                message.starts_with(&path.display().to_string()),
                "{message}"
            );
        }
    }

    fn read(url: &str) -> Result<Opts, AddressError> {
        options(&settings_of(url))
    }

    fn settings_of(url: &str) -> Settings {
        Settings {
            url: Secret::new(url),
            tls: Tls::Disabled,
            ca: None,
            pool_size: 1,
        }
    }
}
