//! Targets for fuzzers: each takes any bytes, and asserts what always holds.

pub use crate::coap::fuzzing::{coap, coap_corpus};
