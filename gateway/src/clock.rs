//! The system's clock.

use doorward_model::Clock;
use jiff::Timestamp;

/// The system's clock. Only this type reads the time of the system.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "only this type reads the time of the system")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
