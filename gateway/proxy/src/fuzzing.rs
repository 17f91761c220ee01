//! Fuzz targets for the parsers of this crate, in the manner of [`doorward_wire::fuzzing`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_wire::fuzzing::FuzzTarget;

pub use crate::dial::fuzzing::telnet;
pub use doorward_inspect::fuzzing::{coap, commands, http as requests, line, modbus, mqtt};

use doorward_inspect::fuzzing as inspect;

/// The targets of this crate, and those of the inspectors, which know nothing of fuzzers.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "telnet", run: telnet, corpus: crate::dial::fuzzing::corpus },
    FuzzTarget { name: "modbus", run: modbus, corpus: inspect::modbus_corpus },
    FuzzTarget { name: "line", run: line, corpus: inspect::line_corpus },
    FuzzTarget { name: "mqtt", run: mqtt, corpus: inspect::mqtt_corpus },
    FuzzTarget { name: "coap", run: coap, corpus: inspect::coap_corpus },
    FuzzTarget { name: "commands", run: commands, corpus: inspect::commands_corpus },
    FuzzTarget { name: "requests", run: requests, corpus: inspect::http_corpus },
];

#[cfg(test)]
mod tests {
    use doorward_wire::fuzzing::share;

    use super::*;

    /// Runs this crate's share of a million inputs.
    #[test]
    fn targets_stand_what_comes() {
        let faults = share(TARGETS, 100_000, |said| println!("{said}"));
        assert!(faults.is_empty(), "{faults:#?}");
    }
}
