//! `doorward/1`: what the SDK and the gateway say to each other, and on what it travels.
//!
//! The protocol's page, `device-sdk/docs/protocol.md`, says the same in words, for whoever
//! writes a client in another language; `device-sdk/docs/vectors.txt` has its test vectors, and
//! a test here keeps them true.
//!
//! Two halves, which know nothing of each other:
//! - [`Frames`], [`Control`], [`Opening`] and [`Answer`]: messages as bytes, without I/O.
//! - [`Carrier`]: one connection, QUIC or yamux over TLS, that gives [`Pipe`]s (one flow's
//!   bytes) and [`Datagrams`].
//!
//! Invariants
//! - A frame is never longer than its bound, whatever its length says, and nothing is allocated
//!   by a length that has not arrived.
//! - Unknown keys are passed over; an unknown type is a value of its own, not an error.
//! - A [`Pipe`] that is dropped or cut never looks like a complete transfer at the other end.
//! - Whatever waits to be sent or taken is bounded.
//!
//! This crate must never know: policies, identities, TLS settings, what a flow is for.

mod ahead;
mod carrier;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod message;
mod paced;
mod through;
#[cfg(test)]
mod vectors;

pub use ahead::Ahead;
pub use carrier::{
    Admit, Buffer, Carrier, Datagrams, LARGEST_DATAGRAM, PathSeen, Pipe, STREAM_WINDOW, STREAMS,
    Side, WAITING, poll_read_shown, transport,
};
pub use frame::{FrameError, Frames, encode, read_frame, write_frame};
pub use message::{
    Answer, Asked, Control, Declined, Hello, Kind, Malformed, Offer, Offering, Opening, Posture,
    Renewed, Report, Taken, Value, Welcome, Why,
};
pub use paced::Paced;

/// The protocol's name in TLS (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"doorward/1";

/// The label under which both ends of a TLS connection derive the 32 bytes that a recovery signs
/// (RFC 8446 section 7.5); there is no context.
pub const RECOVERY: &[u8] = b"EXPORTER-doorward-recover";

/// The versions of the protocol that this crate speaks, the best first.
pub const VERSIONS: &[u64] = &[1];

/// The longest frame of a control stream, in bytes.
pub const CONTROL_LIMIT: usize = 64 * 1024;

/// The longest frame at the beginning of a flow's stream, in bytes.
pub const OPENING_LIMIT: usize = 4 * 1024;
