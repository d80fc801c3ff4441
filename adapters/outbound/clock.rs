use std::time::SystemTime;

use gateway_core::domain::time::Timestamp;
use gateway_core::ports::Clock;

/// The time of day, as the machine has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that all others are to ask"
    )]
    fn now(&self) -> Timestamp {
        // A clock beyond the year 9999 is wrong anyway.
        Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::MAX)
    }
}
