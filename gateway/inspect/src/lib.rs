//! What is asked for in the messages of a protocol: machines that read them, one for each
//! protocol, without I/O.
//!
//! Bytes go in. Of each message a machine asks its [`Judge`] whether what it names may be done, and
//! what comes out is for the device (it was permitted), for the client (an answer in the protocol's
//! own words), or the end of the flow.
//!
//! Invariants
//! - What cannot be named is not forwarded.
//! - It makes no difference how the bytes were split on their way.
//! - Nothing that a peer says makes a machine grow without bound, or panic.
//!
//! This crate must never know: who asks, what is permitted, sockets.

pub mod coap;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
mod machine;
pub mod modbus;
pub mod mqtt;
pub mod serial;

pub use machine::{Fault, Judge, Machine, Need, Out, Progress, Side};
