//! Times as workers and the Master write them.

pub use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::domain::Invalid;

const RULE: &str = "a time in ISO 8601, with or without an offset, of at most 128 bytes";

/// The longest text of a time, in bytes. It may name a zone, and is passed on as it is.
const MAX_LEN: usize = 128;

/// Reads an ISO 8601 time; one without an offset is UTC, an empty one is none.
///
/// # Errors
///
/// [`Invalid`], naming `field`, if it is neither.
pub fn parse(field: &'static str, text: &str) -> Result<Option<Timestamp>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > MAX_LEN {
        return Err(Invalid::text(field, RULE, text));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(Some(time));
    }
    text.parse::<DateTime>()
        .and_then(|time| Offset::UTC.to_timestamp(time))
        .map(Some)
        .map_err(|_| Invalid::text(field, RULE, text))
}

/// ISO 8601 with the offset written out and six digits of the second: Python's `fromisoformat` knew
/// neither `Z` nor any other number of digits before 3.11.
pub fn iso(at: Timestamp) -> String {
    format!("{:.6}", at.display_with_offset(Offset::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_so_that_old_pythons_read_it() {
        for (nanos, text) in [
            (0, "2027-01-15T08:00:10.000000+00:00"),
            (123_456_789, "2027-01-15T08:00:10.123456+00:00"),
        ] {
            let at = Timestamp::new(1_800_000_010, nanos).expect("is a time");
            assert_eq!(iso(at), text);
        }
    }

    /// T12
    #[test]
    fn a_time_is_only_so_long() {
        let time = "2026-03-01T12:00:00Z";
        for (len, fits) in [(MAX_LEN, true), (MAX_LEN + 1, false)] {
            let calendar = "a".repeat(len - time.len() - "[u-ca=]".len());
            let text = format!("{time}[u-ca={calendar}]");
            assert_eq!(text.len(), len);
            assert_eq!(parse("timestamp", &text).is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn a_time_without_an_offset_is_utc() {
        let naive = parse("started_at", "2026-03-01T12:00:00.250").expect("parses");
        let utc = parse("started_at", "2026-03-01T12:00:00.250Z").expect("parses");
        let shanghai = parse("started_at", "2026-03-01T20:00:00.250+08:00").expect("parses");

        assert_eq!(naive, utc);
        assert_eq!(naive, shanghai);
    }

    #[test]
    fn nothing_is_no_time() {
        assert_eq!(parse("started_at", "").expect("parses"), None);
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_field() {
        for text in [
            "yesterday",
            "2026-13-01T00:00:00",
            "1767225600",
            "2026-03-01",
        ] {
            if text == "2026-03-01" {
                // A date alone is midnight, as Python's fromisoformat has it.
                assert!(parse("finished_at", text).is_ok());
                continue;
            }
            let refusal = parse("finished_at", text).expect_err("is refused");
            assert_eq!(refusal.field, "finished_at");
        }
    }
}
