//! Fuzzing targets of this crate's machines. Each takes any bytes, and checks what must always
//! hold.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use crate::{coap, http, modbus, mqtt, serial};

/// A target: its name, its function, and valid or almost valid inputs. This crate knows nothing of
/// fuzzers.
pub type MachineTarget = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// The targets of this crate.
pub const TARGETS: &[MachineTarget] = &[
    ("modbus", modbus::fuzzing::modbus, modbus::fuzzing::modbus_corpus),
    ("line", modbus::fuzzing::line, modbus::fuzzing::line_corpus),
    ("mqtt", mqtt::fuzzing::mqtt, mqtt::fuzzing::mqtt_corpus),
    ("coap", coap::fuzzing::coap, coap::fuzzing::coap_corpus),
    ("commands", serial::fuzzing::commands, serial::fuzzing::commands_corpus),
    ("requests", http::fuzzing::http, http::fuzzing::http_corpus),
];
