//! How long a client waits for its answer, by its own word.

use std::time::Duration;

use http::HeaderMap;

const HEADER: &str = "grpc-timeout";

/// The most digits the protocol allows.
const MAX_DIGITS: usize = 8;

/// How much before the client's own limit it is answered, at most.
///
/// tonic watches the same header, and ends a call that takes longer as CANCELLED, where the
/// protocol has `DEADLINE_EXCEEDED`. It must be told before.
const LEAD: Duration = Duration::from_millis(5);

/// How long a call may take; none if its client waits as long as it takes, or says nothing that
/// makes sense.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    let timeout = match unit {
        "H" => Duration::from_hours(count),
        "M" => Duration::from_mins(count),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    };
    Some(timeout.saturating_sub(LEAD.min(timeout / 8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(value: &str) -> Option<Duration> {
        let value = value.parse().expect("is a header");
        of(&HeaderMap::from_iter([(
            http::HeaderName::from_static(HEADER),
            value,
        )]))
    }

    #[test]
    fn every_unit_is_understood_and_the_answer_comes_a_little_before() {
        for (value, micros) in [
            ("1H", 3_600_000_000 - 5_000),
            ("1M", 60_000_000 - 5_000),
            ("2S", 2_000_000 - 5_000),
            ("800m", 800_000 - 5_000),
            ("8m", 7_000),
            ("800u", 700),
            ("8000n", 7),
        ] {
            assert_eq!(told(value), Some(Duration::from_micros(micros)), "{value}");
        }
    }

    #[test]
    fn nonsense_is_no_deadline() {
        for value in ["", "S", "5", "-1S", "1.5S", "123456789S", "5s", "٣S"] {
            assert_eq!(told(value), None, "{value}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
