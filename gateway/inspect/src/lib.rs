//! What is asked for in the messages of a protocol: machines that read them, one for each
//! protocol, without I/O.
//!
//! Bytes go in; what comes out are the rights that a message needs, and what becomes of it: it is
//! forwarded as it is, answered in the protocol's own words, or the flow is over.
//!
//! Invariants
//! - What cannot be named is not forwarded.
//! - It makes no difference how the bytes were split on their way.
//! - Nothing that a peer says makes a machine grow without bound, or panic.
//!
//! This crate must never know: who asks, what is permitted, sockets.

pub mod modbus;
