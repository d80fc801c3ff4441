//! The border between the protocol and the domain: texts and numbers in, parsed things out.

pub(super) mod control;
pub(super) mod log;
pub(super) mod result;
pub(super) mod task;
pub(super) mod worker;

use std::time::Duration;

use gateway_core::domain::Invalid;
use gateway_core::domain::time::Timestamp;

use super::proto;

/// How long a poll waits when it does not say.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// How long a poll waits at most; who asks for more is answered after this.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// How long a poll is to wait.
pub(super) fn wait(timeout_ms: i32) -> Result<Duration, Invalid> {
    match u64::try_from(timeout_ms) {
        Ok(0) => Ok(DEFAULT_WAIT),
        Ok(millis) => Ok(Duration::from_millis(millis).min(MAX_WAIT)),
        Err(_) => Err(Invalid::number(
            "timeout_ms",
            "0 or more milliseconds",
            &timeout_ms,
        )),
    }
}

/// A count that cannot be negative.
fn count(field: &'static str, value: i32) -> Result<u32, Invalid> {
    u32::try_from(value).map_err(|_| Invalid::number(field, "0 or more", &value))
}

/// A number of bytes, or a place among them.
fn bytes(field: &'static str, value: i64) -> Result<u64, Invalid> {
    u64::try_from(value).map_err(|_| Invalid::number(field, "0 or more bytes", &value))
}

fn time(timestamp: Option<proto::Timestamp>) -> Result<Option<Timestamp>, Invalid> {
    let Some(proto::Timestamp { seconds, nanos }) = timestamp else {
        return Ok(None);
    };
    let time = Timestamp::new(seconds, nanos);
    let rule = "seconds and nanoseconds since 1970 within the years 1 to 9999";
    time.map(Some)
        .map_err(|_| Invalid::number("timestamp", rule, &seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded_on_both_sides() {
        assert_eq!(wait(0), Ok(DEFAULT_WAIT));
        assert_eq!(wait(250), Ok(Duration::from_millis(250)));
        assert_eq!(wait(i32::MAX), Ok(MAX_WAIT));
        assert_eq!(wait(-1).expect_err("is refused").field, "timeout_ms");
    }

    #[test]
    fn a_time_no_clock_shows_is_refused() {
        let absurd = proto::Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        };
        assert!(time(Some(absurd)).is_err());
        assert_eq!(time(None), Ok(None));
    }
}
