//! Fuzzing targets of this crate's machines. Each takes any bytes, and checks what must always
//! hold.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

pub use crate::coap::fuzzing::{coap, coap_corpus};
pub use crate::http::fuzzing::{http, http_corpus};
pub use crate::modbus::fuzzing::{line, line_corpus, modbus, modbus_corpus};
pub use crate::mqtt::fuzzing::{mqtt, mqtt_corpus};
pub use crate::serial::fuzzing::{commands, commands_corpus};
