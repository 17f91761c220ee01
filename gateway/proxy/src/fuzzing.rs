//! Fuzz targets for the parsers of this crate and of the machines of `doorward_inspect`, in the
//! manner of [`doorward_wire::fuzzing`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_wire::fuzzing::FuzzTarget;

use crate::dial::fuzzing::{corpus, telnet};

/// Returns the targets of this crate, and those of the machines.
#[must_use]
pub fn targets() -> Vec<FuzzTarget> {
    let machines = doorward_inspect::fuzzing::TARGETS.iter();
    let machines = machines.map(|&(name, run, corpus)| FuzzTarget { name, run, corpus });
    [FuzzTarget { name: "telnet", run: telnet, corpus }].into_iter().chain(machines).collect()
}

#[cfg(test)]
mod tests {
    use doorward_wire::fuzzing::share;

    use super::*;

    /// Runs this crate's share of a million inputs.
    #[test]
    fn targets_stand_what_comes() {
        let faults = share(&targets(), 100_000, |said| println!("{said}"));
        assert!(faults.is_empty(), "{faults:#?}");
    }
}
