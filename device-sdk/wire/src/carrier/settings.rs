//! The bounds, timeouts and windows of a connection.

use std::time::Duration;

use quinn::VarInt;

use super::datagrams::WAITING;

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEnd {
    /// The SDK, which connects.
    Client,
    /// The gateway, which listens.
    Gateway,
}

/// How many streams of one connection may be open at the same time. Over QUIC each side has this
/// many for the streams it opens; over yamux both sides share them.
pub const STREAMS: usize = 128;

/// How many streams a new QUIC connection allows. Most connections use few or none, and each
/// allowed stream takes memory at both ends.
pub(super) const FEW: u32 = 16;

/// How long a silent connection is kept. The client sends a keep-alive earlier.
const SILENCE: Duration = Duration::from_secs(45);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How many received bytes of one stream may wait to be read. Yamux allows no smaller window.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// How many unacknowledged or unread bytes one connection may have in each direction.
const WINDOW: u32 = 4 * 1024 * 1024;
/// The gateway's receive window for a connection until it calls [`Carrier::bound`](super::Carrier::bound).
const GREETING: u32 = STREAM_WINDOW;

/// Returns the QUIC settings for one side: bounds, timeouts and windows.
#[must_use]
pub fn transport(side: LinkEnd) -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(FEW))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(match side {
            LinkEnd::Client => WINDOW,
            LinkEnd::Gateway => GREETING,
        }))
        .send_window(u64::from(WINDOW))
        .datagram_receive_buffer_size(Some(WAITING))
        .datagram_send_buffer_size(WAITING)
        .max_idle_timeout(quinn::IdleTimeout::try_from(SILENCE).ok());
    if side == LinkEnd::Client {
        transport.keep_alive_interval(Some(KEEP_ALIVE));
    }
    transport
}
