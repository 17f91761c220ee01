//! The source of the time.

use jiff::Timestamp;

/// A source of wall-clock time. The program makes one when it starts and passes it on. Nothing else
/// asks the system for the time, so tests can set it.
pub trait Clock: Send + Sync {
    /// Returns the present instant.
    fn now(&self) -> Timestamp;
}
