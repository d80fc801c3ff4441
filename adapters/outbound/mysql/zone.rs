//! The border between the instants of the gateway and the wall clock of the database.

use gateway_core::domain::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The years that a `DATETIME` can hold.
const YEARS: std::ops::RangeInclusive<i16> = 1000..=9999;

/// The zone of the database's `DATETIME(6)` columns.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

/// There is no such zone.
#[derive(Debug, thiserror::Error)]
#[error("{name} is no time zone that is known here: {reason}")]
pub struct UnknownZone {
    name: String,
    reason: String,
}

impl Zone {
    /// The zone of this IANA name, as the system knows it, or the copy that we carry along.
    ///
    /// # Errors
    ///
    /// [`UnknownZone`] if neither knows it.
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let zone = TimeZone::get(name).map_err(|error| UnknownZone {
            name: name.to_owned(),
            reason: error.to_string(),
        });
        Ok(Self(zone?))
    }

    /// What the clock on the wall says at `at`, for a `DATETIME(6)`; none beyond what that holds.
    pub(super) fn wall(&self, at: Timestamp) -> Option<String> {
        let wall = self.civil(at)?;
        Some(format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
            wall.year(),
            wall.month(),
            wall.day(),
            wall.hour(),
            wall.minute(),
            wall.second(),
            wall.subsec_nanosecond() / 1_000,
        ))
    }

    /// When the clock on the wall said so; none if that is no time, as `0000-00-00` is not.
    ///
    /// Where clocks are put back an hour is said twice. If one of `hints` is in it, that was meant,
    /// else the first. An hour that was left out is taken as if clocks had not been put forward.
    pub(super) fn instant(&self, wall: &str, hints: &[Timestamp]) -> Option<Timestamp> {
        let wall: DateTime = wall.parse().ok()?;
        let mut hints = hints.iter().copied().map(to_the_micro);
        let meant = hints.find(|hint| self.civil(*hint) == Some(wall));
        meant.or_else(|| self.0.to_ambiguous_timestamp(wall).compatible().ok())
    }

    fn civil(&self, at: Timestamp) -> Option<DateTime> {
        let wall = self.0.to_datetime(to_the_micro(at));
        YEARS.contains(&wall.year()).then_some(wall)
    }
}

/// The microsecond that `at` is in. The database holds no more, and what is compared with its
/// times must not be finer than they are.
pub(super) fn to_the_micro(at: Timestamp) -> Timestamp {
    let nanos = at.as_nanosecond();
    // Down from one that is a timestamp, there is only the very first that has no whole micro.
    Timestamp::from_nanosecond(nanos - nanos.rem_euclid(1_000)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("is a time")
    }

    fn zone(name: &str) -> Zone {
        Zone::named(name).expect("is a zone")
    }

    #[test]
    fn the_wall_clock_is_that_of_the_zone() {
        for (name, instant, wall) in [
            ("UTC", "2026-03-01T12:00:00Z", "2026-03-01 12:00:00.000000"),
            (
                "Asia/Shanghai",
                "2026-03-01T20:30:00.25Z",
                "2026-03-02 04:30:00.250000",
            ),
            (
                "Europe/Berlin",
                "2026-01-15T12:00:00.000001Z",
                "2026-01-15 13:00:00.000001",
            ),
            (
                "Europe/Berlin",
                "2026-07-15T12:00:00.999999999Z",
                "2026-07-15 14:00:00.999999",
            ),
            // Shanghai saved daylight then.
            (
                "Asia/Shanghai",
                "1988-07-01T00:00:00Z",
                "1988-07-01 09:00:00.000000",
            ),
            (
                "UTC",
                "1969-12-31T23:59:59.9999999Z",
                "1969-12-31 23:59:59.999999",
            ),
        ] {
            let zone = zone(name);
            assert_eq!(zone.wall(at(instant)).as_deref(), Some(wall), "{name}");
            let back = zone.instant(wall, &[]);
            assert_eq!(back, Some(to_the_micro(at(instant))), "{name}");
        }
    }

    #[test]
    fn an_hour_that_is_said_twice_is_the_one_that_is_known() {
        let berlin = zone("Europe/Berlin");
        let (first, second) = (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"));
        let wall = "2026-10-25 02:30:00.000000";
        assert_eq!(berlin.wall(first).as_deref(), Some(wall));
        assert_eq!(berlin.wall(second).as_deref(), Some(wall));

        assert_eq!(berlin.instant(wall, &[]), Some(first));
        let others = [at("2026-10-25T01:31:00Z"), second];
        assert_eq!(berlin.instant(wall, &others), Some(second));
    }

    #[test]
    fn an_hour_that_was_left_out_is_read_all_the_same() {
        let berlin = zone("Europe/Berlin");
        // What the Master writes may have been computed without a zone.
        let read = berlin.instant("2026-03-29 02:30:00.000000", &[]);
        assert_eq!(read, Some(at("2026-03-29T01:30:00Z")));
        // And on both sides of the gap there is nothing to it.
        for (instant, wall) in [
            ("2026-03-29T00:59:59Z", "2026-03-29 01:59:59.000000"),
            ("2026-03-29T01:00:00Z", "2026-03-29 03:00:00.000000"),
        ] {
            assert_eq!(berlin.wall(at(instant)).as_deref(), Some(wall));
            assert_eq!(berlin.instant(wall, &[]), Some(at(instant)));
        }
    }

    #[test]
    fn what_no_column_holds_is_none() {
        let shanghai = zone("Asia/Shanghai");
        assert_eq!(shanghai.wall(at("0999-12-31T00:00:00Z")), None);
        assert_eq!(shanghai.wall(Timestamp::MIN), None);
        assert!(shanghai.wall(at("9999-12-30T00:00:00Z")).is_some());
        assert_eq!(
            shanghai.instant("0000-00-00 00:00:00.000000", &[Timestamp::UNIX_EPOCH]),
            None
        );
    }

    #[test]
    fn an_unknown_zone_is_refused_by_name() {
        let refused = Zone::named("Asia/Atlantis").expect_err("is unknown");
        assert!(refused.to_string().contains("Asia/Atlantis"), "{refused}");
    }
}
