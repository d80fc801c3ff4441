//! Times as Redis takes them, and as the Master reads them.

use std::time::Duration;

pub(super) use gateway_core::domain::time::iso;

/// Whole milliseconds, as many as Redis can add to the time it has.
pub(super) fn millis(duration: Duration) -> i64 {
    const MAX: i64 = i64::MAX / 4;
    i64::try_from(duration.as_millis()).map_or(MAX, |millis| millis.min(MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_all_reason_is_one_that_redis_takes() {
        assert_eq!(millis(Duration::from_secs(90)), 90_000);
        assert_eq!(millis(Duration::MAX), i64::MAX / 4);
    }
}
