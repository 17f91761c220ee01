//! What the machines must stand, whatever comes: targets for fuzzers. Each takes bytes that say what
//! both sides send, in which pieces, and what is permitted, and panics if an invariant does not hold.

pub use crate::mqtt::fuzzing::{mqtt, mqtt_corpus};
