//! Times as Redis takes them, and as the Master reads them.

use std::time::Duration;

use gateway_core::domain::time::Timestamp;
use jiff::tz::Offset;

/// ISO 8601 with the offset written out and six digits of the second: Python's `fromisoformat` knew
/// neither `Z` nor any other number of digits before 3.11.
pub(super) fn iso(at: Timestamp) -> String {
    format!("{:.6}", at.display_with_offset(Offset::UTC))
}

/// Whole milliseconds, as many as Redis can add to the time it has.
pub(super) fn millis(duration: Duration) -> i64 {
    const MAX: i64 = i64::MAX / 4;
    i64::try_from(duration.as_millis()).map_or(MAX, |millis| millis.min(MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_that_old_pythons_read() {
        for (nanos, text) in [
            (0, "2027-01-15T08:00:10.000000+00:00"),
            (123_456_789, "2027-01-15T08:00:10.123456+00:00"),
        ] {
            let at = Timestamp::new(1_800_000_010, nanos).expect("is a time");
            assert_eq!(iso(at), text);
        }
    }

    #[test]
    fn a_time_beyond_all_reason_is_one_that_redis_takes() {
        assert_eq!(millis(Duration::from_secs(90)), 90_000);
        assert_eq!(millis(Duration::MAX), i64::MAX / 4);
    }
}
