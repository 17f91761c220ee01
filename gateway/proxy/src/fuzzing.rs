//! What the readers of this crate must stand, whatever comes: targets for fuzzers, in the manner
//! of [`doorward_wire::fuzzing`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_wire::fuzzing::Target;

pub use crate::dial::fuzzing::telnet;

/// The targets of this crate.
pub const TARGETS: &[Target] =
    &[Target { name: "telnet", run: telnet, corpus: crate::dial::fuzzing::corpus }];

#[cfg(test)]
mod tests {
    use doorward_wire::fuzzing::share;

    use super::*;

    /// This crate's share of a million inputs.
    #[test]
    fn targets_stand_what_comes() {
        let faults = share(TARGETS, 100_000, |said| println!("{said}"));
        assert!(faults.is_empty(), "{faults:#?}");
    }
}
