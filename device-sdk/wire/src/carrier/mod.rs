//! The two kinds of connection that carry `doorward/1`, QUIC and yamux over TLS, as one type.

mod buffer;
pub(crate) mod chunks;
mod datagrams;
pub(crate) mod flow_queues;
pub(crate) mod marks;
mod muxed;
pub(crate) mod packed;
mod pipe;
mod settings;
mod unread_frames;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Once, OnceLock};

use quinn::VarInt;
use tokio::io::{AsyncRead, AsyncWrite};

pub use buffer::{Buffer, poll_read_shown};
pub use datagrams::{FlowDatagrams, LARGEST_DATAGRAM, WAITING};
pub use muxed::Admit;
pub use pipe::Pipe;
pub use settings::{LinkEnd, STREAM_WINDOW, STREAMS, transport};

use crate::message::Why;
use datagrams::Router;
use muxed::Muxed;
use settings::FEW;

/// The source address of a QUIC connection's packets, and what was sent to validate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathSeen {
    /// The address. It may be forged until the path has been validated (RFC 9000 section 9.3).
    pub remote: SocketAddr,
    /// How many PATH_CHALLENGE frames have been sent.
    pub challenges: u64,
    /// How many STREAM frames have been sent.
    pub streams: u64,
}

/// One connection between an SDK and its gateway. Clones are cheap and share the connection.
#[derive(Clone, Debug)]
pub struct Carrier(Connection);

#[derive(Clone, Debug)]
enum Connection {
    Quic {
        connection: quinn::Connection,
        router: Arc<OnceLock<Arc<Router>>>,
        room: Arc<Once>,
        /// Why this side has closed the connection.
        closed: Arc<OnceLock<Why>>,
    },
    Yamux(Arc<Muxed>),
}

impl Carrier {
    /// Wraps a QUIC connection whose handshake is done.
    #[must_use]
    pub fn quic(connection: quinn::Connection) -> Self {
        let (router, room, closed) = (Arc::default(), Arc::new(Once::new()), Arc::default());
        Self(Connection::Quic { connection, router, room, closed })
    }

    /// Wraps a TLS connection whose handshake is done, and spawns the task that drives it. The
    /// caller must be within a tokio runtime.
    #[must_use]
    pub fn yamux<T>(stream: T, side: LinkEnd) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::yamux_admitting(stream, side, Box::new(|| Some(Box::new(()))))
    }

    /// Works like [`yamux`](Self::yamux), but calls `admit` for each stream that the other end
    /// opens. The pipe keeps the reservation. The first stream needs no reservation.
    #[must_use]
    pub fn yamux_admitting<T>(stream: T, side: LinkEnd, admit: Admit) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self(Connection::Yamux(Muxed::new(stream, side, admit)))
    }

    /// Returns the connection's kind: `quic` or `tls`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match &self.0 {
            Connection::Quic { .. } => "quic",
            Connection::Yamux(_) => "tls",
        }
    }

    /// Opens a stream. The other end learns of it with the stream's first byte.
    ///
    /// # Errors
    /// Fails when the connection is over.
    pub async fn open(&self) -> io::Result<Pipe> {
        match &self.0 {
            Connection::Quic { connection, closed, .. } => {
                Ok(Pipe::quic(connection.open_bi().await?, Arc::clone(closed)))
            }
            Connection::Yamux(muxed) => muxed.open().await,
        }
    }

    /// Returns the next stream that the other end opens.
    ///
    /// # Errors
    /// Fails when the connection is over.
    pub async fn accept(&self) -> io::Result<Pipe> {
        match &self.0 {
            Connection::Quic { connection, room, closed, .. } => {
                let (send, receive) = connection.accept_bi().await?;
                if receive.id().index() >= u64::from(FEW / 2) {
                    let streams = VarInt::from_u32(u32::try_from(STREAMS).unwrap_or(u32::MAX));
                    room.call_once(|| connection.set_max_concurrent_bi_streams(streams));
                }
                Ok(Pipe::quic((send, receive), Arc::clone(closed)))
            }
            Connection::Yamux(muxed) => muxed.accept().await,
        }
    }

    /// Uses a stream of this connection for datagrams from now on. The caller must be within a
    /// tokio runtime.
    #[must_use]
    pub fn datagrams(&self, pipe: Pipe) -> FlowDatagrams {
        match &self.0 {
            Connection::Quic { connection, router, .. } if pipe.is_quic() => {
                let router = router.get_or_init(|| {
                    let router = Arc::new(Router::default());
                    tokio::spawn(Arc::clone(&router).run(connection.clone()));
                    router
                });
                FlowDatagrams::new(pipe, Some((connection.clone(), Arc::clone(router))))
            }
            Connection::Quic { .. } | Connection::Yamux(_) => FlowDatagrams::new(pipe, None),
        }
    }

    /// Returns the source address of the other end's packets and what was sent to validate it.
    /// Returns `None` over TLS, where the address cannot change.
    #[must_use]
    pub fn path(&self) -> Option<PathSeen> {
        let Connection::Quic { connection, .. } = &self.0 else { return None };
        let mut remote = connection.remote_address();
        loop {
            let sent = connection.stats().frame_tx;
            // Retry until the address did not change while the counters were read.
            let after = connection.remote_address();
            if after == remote {
                let (challenges, streams) = (sent.path_challenge, sent.stream);
                return Some(PathSeen { remote, challenges, streams });
            }
            remote = after;
        }
    }

    /// Sets how many bytes this connection may have in flight in each direction.
    pub fn bound(&self, window: u32) {
        if let Connection::Quic { connection, .. } = &self.0 {
            connection.set_receive_window(VarInt::from_u32(window));
            connection.set_send_window(u64::from(window));
        }
    }

    /// Closes the connection and everything on it.
    pub fn close(&self, why: Why) {
        match &self.0 {
            Connection::Quic { connection, closed, .. } => {
                closed.get_or_init(|| why);
                let code = VarInt::from_u64(why.code()).unwrap_or_default();
                connection.close(code, b"");
            }
            Connection::Yamux(muxed) => muxed.close(),
        }
    }

    /// Waits for the end of the connection. Returns the reason that the other end gave, if any,
    /// and a text for people.
    pub async fn closed(&self) -> (Option<Why>, String) {
        match &self.0 {
            Connection::Quic { connection, .. } => {
                let end = connection.closed().await;
                let quinn::ConnectionError::ApplicationClosed(closed) = end else {
                    return (None, end.to_string());
                };
                let why = Why::of(closed.error_code.into_inner());
                (Some(why), why.to_string())
            }
            Connection::Yamux(muxed) => (None, muxed.closed().await),
        }
    }
}
