//! From the text of a setting to its value, or to the words for what would be accepted.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::url::BackendUrl;

/// The value, or what would be accepted ("a port number from 0 to 65535").
pub(super) type Parsed<T> = Result<T, String>;

pub(super) const DAY: u64 = 86_400;

pub(super) fn switch(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

pub(super) fn host(text: &str) -> Parsed<IpAddr> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    bare.unwrap_or(text)
        .parse()
        .map_err(|_| "an IP address such as 127.0.0.1, 0.0.0.0 or ::, or localhost".to_owned())
}

pub(super) fn port(text: &str) -> Parsed<u16> {
    text.parse()
        .map_err(|_| "a port number from 0 to 65535".to_owned())
}

pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    match text {
        "" => Err("the path of a file".to_owned()),
        _ => Ok(text.into()),
    }
}

/// Any text, as long as there is one.
pub(super) fn text(text: &str) -> Parsed<String> {
    match text {
        "" => Err("a text".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// A whole number within `range`.
pub(super) fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<T> {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("a whole number {}", within(&range)))
    }
}

/// A whole number from 1, for what is counted and kept in memory.
pub(super) fn count(text: &str) -> Parsed<usize> {
    whole(1..=u64::MAX)(text)
}

/// A whole number of seconds within `range`.
pub(super) fn seconds(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        whole(range.clone())(text)
            .map(Duration::from_secs)
            .map_err(|_| format!("a whole number of seconds {}", within(&range)))
    }
}

/// A whole number of milliseconds within `range`.
pub(super) fn milliseconds(range: RangeInclusive<u64>) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        whole(range.clone())(text)
            .map(Duration::from_millis)
            .map_err(|_| format!("a whole number of milliseconds {}", within(&range)))
    }
}

/// Seconds that may have a fraction, up to a day.
pub(super) fn grace(text: &str) -> Parsed<Duration> {
    fraction(text, 0.0..=86_400.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds from 0 to 86400, such as 5 or 2.5".to_owned())
}

/// Tokens a second. The bounds keep the time between two tokens within what a clock can tell.
pub(super) fn rate(text: &str) -> Parsed<f64> {
    fraction(text, 0.001..=1_000_000.0)
        .ok_or_else(|| "a number from 0.001 to 1000000, such as 100 or 0.5".to_owned())
}

/// Bytes a second, up to a terabyte.
pub(super) fn bytes_a_second(text: &str) -> Parsed<f64> {
    fraction(text, 1.0..=1e12).ok_or_else(|| "a number from 1 to 1000000000000".to_owned())
}

/// One of the words in `choices`, in any case.
pub(super) fn one_of<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&str) -> Parsed<T> {
    move |text| {
        choices
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, value)| *value)
            .ok_or_else(|| format!("one of {}", list(choices.iter().map(|(word, _)| word))))
    }
}

/// An address with one of `schemes`.
pub(super) fn url(schemes: &[&str]) -> impl Fn(&str) -> Parsed<BackendUrl> {
    move |text| {
        BackendUrl::parse(text)
            .filter(|url| schemes.contains(&url.scheme()))
            .ok_or_else(|| {
                format!(
                    "{}://[user:password@]host[:port]/…, reserved characters in the password \
                     percent-encoded",
                    schemes.join("|")
                )
            })
    }
}

/// The prefix of Redis keys. Braces may mark the hash tag of a cluster.
pub(super) fn namespace(text: &str) -> Parsed<String> {
    let sound = (1..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._:-{}".contains(c));
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "1 to 64 of the characters A-Z a-z 0-9 . _ : - { }".to_owned())
}

/// An IANA zone by its grammar; whether there is such a zone is for whoever computes with it.
pub(super) fn zone(text: &str) -> Parsed<String> {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    };
    let sound = text.len() <= 64 && text.split('/').count() <= 3 && text.split('/').all(is_part);
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "the IANA name of a time zone, such as Asia/Shanghai or UTC".to_owned())
}

fn fraction(text: &str, range: RangeInclusive<f64>) -> Option<f64> {
    text.parse().ok().filter(|number| range.contains(number))
}

fn within(range: &RangeInclusive<u64>) -> String {
    match *range.end() {
        u64::MAX => format!("from {}", range.start()),
        end => format!("from {} to {end}", range.start()),
    }
}

fn list(words: impl IntoIterator<Item = impl Display>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[track_caller]
    fn all_refused<T: Debug>(parse: impl Fn(&str) -> Parsed<T>, texts: &[&str]) {
        for text in texts {
            let answer = parse(text);
            assert!(answer.is_err(), "{text:?} is read as {answer:?}");
        }
    }

    #[test]
    fn switches_know_the_words_that_deployments_use() {
        for (text, value) in [("TRUE", true), ("1", true), ("off", false), ("No", false)] {
            assert_eq!(switch(text), Ok(value), "{text}");
        }
        all_refused(switch, &["", "2", "enabled", "null"]);
    }

    #[test]
    fn hosts_are_addresses_or_localhost() {
        assert_eq!(host("localhost"), Ok(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(host("[::]"), host("::"));
        all_refused(host, &["", "example.com", "1.2.3", "127.0.0.1:80"]);
    }

    #[test]
    fn numbers_keep_their_bounds() {
        assert_eq!(port("0"), Ok(0));
        all_refused(port, &["", "-1", "65536", "1.5", "0x1"]);

        assert_eq!(whole::<u32>(1..=10)("10"), Ok(10));
        all_refused(whole::<u32>(1..=10), &["", "0", "11", "1.0", "ten"]);
        all_refused(whole::<u8>(1..=999), &["256"]);

        assert_eq!(seconds(1..=5)("5"), Ok(Duration::from_secs(5)));
        all_refused(seconds(1..=5), &["0", "6", "5s"]);
        assert_eq!(milliseconds(1..=5)("5"), Ok(Duration::from_millis(5)));
        all_refused(milliseconds(1..=5), &["0", "6", "5ms", "0.5"]);
    }

    #[test]
    fn fractions_are_finite() {
        assert_eq!(grace("2.5"), Ok(Duration::from_millis(2500)));
        assert_eq!(grace("0"), Ok(Duration::ZERO));
        all_refused(grace, &["", "-0.1", "inf", "NaN", "1e300"]);

        assert_eq!(rate("0.5"), Ok(0.5));
        all_refused(rate, &["", "0", "-1", "1e-300", "inf", "NaN"]);

        assert_eq!(bytes_a_second("16777216"), Ok(16_777_216.0));
        all_refused(bytes_a_second, &["", "0", "1e13", "inf", "NaN"]);
    }

    #[test]
    fn a_choice_is_made_in_any_case_and_the_refusal_lists_all() {
        let choose = one_of(&[("memory", 1), ("redis", 2)]);

        assert_eq!(choose("Redis"), Ok(2));
        assert_eq!(choose("rdis"), Err("one of memory, redis".to_owned()));
    }

    #[test]
    fn names_cannot_break_out_of_where_they_are_put() {
        assert!(namespace("{antcode}:eu-1").is_ok());
        all_refused(namespace, &["", "a b", "a*", "a\n", &"a".repeat(65)]);

        for text in ["UTC", "Asia/Shanghai", "America/Argentina/Buenos_Aires"] {
            assert!(zone(text).is_ok(), "{text}");
        }
        all_refused(
            zone,
            &["", "/", "Asia/", "../x", "+08:00", "Asia/Shang hai"],
        );
    }
}
