//! Fuzz targets for the parsers of this crate, in the manner of [`doorward_wire::fuzzing`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_wire::fuzzing::Target;

pub use crate::dial::fuzzing::telnet;
pub use doorward_inspect::fuzzing::{coap, commands, http as requests, line, modbus, mqtt};

use doorward_inspect::fuzzing as inspect;

/// The targets of this crate, and those of the inspectors, which know nothing of fuzzers.
pub const TARGETS: &[Target] = &[
    Target { name: "telnet", run: telnet, corpus: crate::dial::fuzzing::corpus },
    Target { name: "modbus", run: modbus, corpus: inspect::modbus_corpus },
    Target { name: "line", run: line, corpus: inspect::line_corpus },
    Target { name: "mqtt", run: mqtt, corpus: inspect::mqtt_corpus },
    Target { name: "coap", run: coap, corpus: inspect::coap_corpus },
    Target { name: "commands", run: commands, corpus: inspect::commands_corpus },
    Target { name: "requests", run: requests, corpus: inspect::http_corpus },
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
