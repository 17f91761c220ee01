//! What the machines of this crate must stand, whatever comes: targets for fuzzers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

pub use crate::http::fuzzing::{http, http_corpus};
