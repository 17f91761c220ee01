//! How much a test does: a little where every change is tested, all of it by `tests/long`.

use std::time::Duration;

/// Whether `tests/long` runs the test.
pub fn is_long() -> bool {
    std::env::var_os("DOORWARD_LONG").is_some()
}

/// One of two sizes: that for every change, or that for `tests/long`.
pub fn either<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}

/// The same for a time, in seconds.
pub fn seconds(short: u64, long: u64) -> Duration {
    Duration::from_secs(either(short, long))
}
