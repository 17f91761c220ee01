//! The two connections that `doorward/1` travels on, as one type.

mod buffer;
pub(crate) mod chunks;
mod datagrams;
pub(crate) mod flows;
pub(crate) mod marks;
mod muxed;
pub(crate) mod packed;
mod pipe;
mod unread;

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use quinn::VarInt;
use tokio::io::{AsyncRead, AsyncWrite};

pub use buffer::{Buffer, poll_read_shown};
pub use datagrams::{Datagrams, LARGEST_DATAGRAM, WAITING};
pub use pipe::Pipe;

use crate::message::Why;
use datagrams::Router;
use muxed::Muxed;

/// Where the packets of a QUIC connection come from, and what has been sent to prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSeen {
    /// The address. It may be forged until the path has been validated (RFC 9000 section 9.3).
    pub remote: SocketAddr,
    /// How many PATH_CHALLENGE frames have been sent.
    pub challenges: u64,
    /// How many STREAM frames have been sent.
    pub streams: u64,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that connects: the SDK.
    Client,
    /// The one that is connected to.
    Gateway,
}

/// How many streams of one connection may be open at the same time, opened by one side (QUIC)
/// or by both (yamux).
pub const STREAMS: usize = 128;

/// How many of them a QUIC connection has room for before any was used. Most have few or none,
/// and room takes memory at both ends.
const FEW: u32 = 16;

/// How long a silent connection is kept; the client breaks the silence before.
const SILENCE: Duration = Duration::from_secs(45);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How many bytes of one stream may have come without having been taken. Yamux knows no other.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// How many bytes of one connection may be on their way.
const WINDOW: u32 = 4 * 1024 * 1024;
/// How many bytes a gateway takes of one connection before it has said how many more.
const GREETING: u32 = STREAM_WINDOW;

/// How QUIC is spoken: bounds, timeouts and windows.
#[must_use]
pub fn transport(side: Side) -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(FEW))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(match side {
            Side::Client => WINDOW,
            Side::Gateway => GREETING,
        }))
        .send_window(u64::from(WINDOW))
        .datagram_receive_buffer_size(Some(WAITING))
        .datagram_send_buffer_size(WAITING)
        .max_idle_timeout(quinn::IdleTimeout::try_from(SILENCE).ok());
    if side == Side::Client {
        transport.keep_alive_interval(Some(KEEP_ALIVE));
    }
    transport
}

/// Gives room for one more stream, if there is any.
pub type Admit = Box<dyn FnMut() -> Option<Box<dyn Any + Send + Sync>> + Send>;

/// One connection between an SDK and its gateway. Cheap to clone; every clone is the same.
#[derive(Clone, Debug)]
pub struct Carrier(Under);

#[derive(Clone, Debug)]
enum Under {
    Quic { connection: quinn::Connection, router: Arc<OnceLock<Arc<Router>>>, room: Arc<Once> },
    Yamux(Arc<Muxed>),
}

impl Carrier {
    /// A QUIC connection whose handshake is done.
    #[must_use]
    pub fn quic(connection: quinn::Connection) -> Self {
        Self(Under::Quic { connection, router: Arc::default(), room: Arc::new(Once::new()) })
    }

    /// A TLS connection whose handshake is done. Must be called within a tokio runtime, which
    /// drives it from then on.
    #[must_use]
    pub fn yamux<T>(stream: T, side: Side) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::yamux_admitting(stream, side, Box::new(|| Some(Box::new(()))))
    }

    /// The same, where `admit` gives room for what a stream may bring as soon as the other end
    /// opens it; the pipe keeps that. The first stream needs none.
    #[must_use]
    pub fn yamux_admitting<T>(stream: T, side: Side, admit: Admit) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self(Under::Yamux(Muxed::new(stream, side, admit)))
    }

    /// What it is, in a word: `quic` or `tls`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match &self.0 {
            Under::Quic { .. } => "quic",
            Under::Yamux(_) => "tls",
        }
    }

    /// Opens a stream. The other end sees it with its first byte.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn open(&self) -> io::Result<Pipe> {
        match &self.0 {
            Under::Quic { connection, .. } => {
                let (send, receive) = connection.open_bi().await?;
                Ok(Pipe::quic(send, receive))
            }
            Under::Yamux(muxed) => muxed.open().await,
        }
    }

    /// The next stream that the other end opens.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn accept(&self) -> io::Result<Pipe> {
        match &self.0 {
            Under::Quic { connection, room, .. } => {
                let (send, receive) = connection.accept_bi().await?;
                if receive.id().index() >= u64::from(FEW / 2) {
                    let streams = VarInt::from_u32(u32::try_from(STREAMS).unwrap_or(u32::MAX));
                    room.call_once(|| connection.set_max_concurrent_bi_streams(streams));
                }
                Ok(Pipe::quic(send, receive))
            }
            Under::Yamux(muxed) => muxed.accept().await,
        }
    }

    /// Takes a stream of this connection as datagrams from here on. Must be called within a
    /// tokio runtime.
    #[must_use]
    pub fn datagrams(&self, pipe: Pipe) -> Datagrams {
        match &self.0 {
            Under::Quic { connection, router, .. } if pipe.is_quic() => {
                let router = router.get_or_init(|| {
                    let router = Arc::new(Router::default());
                    tokio::spawn(Arc::clone(&router).run(connection.clone()));
                    router
                });
                Datagrams::new(pipe, Some((connection.clone(), Arc::clone(router))))
            }
            _ => Datagrams::new(pipe, None),
        }
    }

    /// Where the other end's packets come from now, and what has been done to prove it, where that
    /// can change: a QUIC connection may move.
    #[must_use]
    pub fn path(&self) -> Option<PathSeen> {
        let Under::Quic { connection, .. } = &self.0 else { return None };
        let mut remote = connection.remote_address();
        loop {
            let sent = connection.stats().frame_tx;
            // What was counted must belong to that address.
            let after = connection.remote_address();
            if after == remote {
                let (challenges, streams) = (sent.path_challenge, sent.stream);
                return Some(PathSeen { remote, challenges, streams });
            }
            remote = after;
        }
    }

    /// Bounds what may be on its way on this connection, in bytes.
    pub fn bound(&self, window: u32) {
        if let Under::Quic { connection, .. } = &self.0 {
            connection.set_receive_window(VarInt::from_u32(window));
            connection.set_send_window(u64::from(window));
        }
    }

    /// Ends the connection with everything on it.
    pub fn close(&self, why: Why) {
        match &self.0 {
            Under::Quic { connection, .. } => {
                let code = VarInt::from_u64(why.code()).unwrap_or_default();
                connection.close(code, b"");
            }
            Under::Yamux(muxed) => muxed.close(),
        }
    }

    /// Answers when the connection is over, and why; a reason of the other end's, if it gave
    /// one in closing.
    pub async fn closed(&self) -> (Option<Why>, String) {
        match &self.0 {
            Under::Quic { connection, .. } => match connection.closed().await {
                quinn::ConnectionError::ApplicationClosed(closed) => {
                    let why = Why::of(closed.error_code.into_inner());
                    (Some(why), why.to_string())
                }
                other => (None, other.to_string()),
            },
            Under::Yamux(muxed) => (None, muxed.closed().await),
        }
    }
}
