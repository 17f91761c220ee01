//! Reads what the messages of a protocol ask for, without I/O: one machine for each protocol.
//!
//! A machine gets bytes. For each message it asks its [`Judge`] whether the named action may be
//! done. Its output is for the device (permitted messages), for the client (answers in the
//! protocol's own form), or the end of the flow.
//!
//! Invariants
//! - A message that cannot be named is not forwarded.
//! - The result does not depend on how the bytes were split.
//! - No peer can make a machine grow without bound, or panic.
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

pub use machine::{DatagramMachine, Fault, Judge, Machine, Need, Out, Progress, Sender};
