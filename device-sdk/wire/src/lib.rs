//! `doorward/1`, the protocol between the SDK and the gateway: its messages and its connections.
//!
//! `device-sdk/docs/protocol.md` describes the protocol for authors of clients in other languages.
//! `device-sdk/docs/vectors.txt` has its test vectors; a test in this crate checks them.
//!
//! Two independent halves:
//! - [`Frames`], [`Control`], [`OpenFrame`] and [`Answer`]: messages as bytes, without I/O.
//! - [`Carrier`]: one connection, QUIC or yamux over TLS, with its [`Pipe`]s (the bytes of one
//!   flow) and [`FlowDatagrams`].
//!
//! Invariants
//! - A frame is never longer than its bound, whatever its length prefix says. Memory grows with
//!   the bytes that have arrived, not with an announced length.
//! - Unknown keys are skipped. An unknown type is a value of its own, not an error.
//! - A [`Pipe`] that is dropped or cut never looks like a complete transfer at the other end.
//! - All queues and buffers are bounded.
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
    Admit, Buffer, Carrier, FlowDatagrams, LARGEST_DATAGRAM, LinkEnd, PathSeen, Pipe,
    STREAM_WINDOW, STREAMS, WAITING, poll_read_shown, transport,
};
pub use frame::{FrameError, Frames, encode, read_frame, write_frame};
pub use message::{
    Answer, Asked, Control, Declined, FlowKind, Hello, Malformed, Offer, Offering, OpenFrame,
    PostureMessage, Renewed, Report, Taken, Value, Welcome, Why,
};
pub use paced::Paced;

/// The protocol's name in TLS (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"doorward/1";

/// The exporter label (RFC 8446 section 7.5) from which both ends of a TLS connection derive the
/// 32 bytes that the client signs in a recovery. The exporter has no context.
pub const RECOVERY: &[u8] = b"EXPORTER-doorward-recover";

/// The protocol versions that this crate speaks, the preferred one first.
pub const VERSIONS: &[u64] = &[1];

/// The longest frame on a control stream, in bytes.
pub const CONTROL_LIMIT: usize = 64 * 1024;

/// The longest frame at the beginning of a flow's stream, in bytes.
pub const OPENING_LIMIT: usize = 4 * 1024;
