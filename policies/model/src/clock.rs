//! Where the time comes from.

use jiff::Timestamp;

/// Where the wall-clock time comes from. One value is made where the program is assembled and
/// handed down; nothing else asks the system, so that tests can turn the hands.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> Timestamp;
}
