//! The system's clock.

use doorward_model::Clock;
use jiff::Timestamp;

/// The system's clock. The one place where the program asks for the time.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the program asks the system"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
