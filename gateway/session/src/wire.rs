//! The client's end of a flow.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use doorward_wire::{Ahead, Why, poll_read_shown};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::secured::Secured;

/// The client's end of a flow.
///
/// A shutdown is the proper end of one direction. A drop without a shutdown, or a cut at any time,
/// is no proper end, and a client that checks sees an error.
pub trait Wire: AsyncBufRead + AsyncWrite + Send + Unpin {
    /// Ends both directions at once, and not properly. Tells the client why, if the transport can.
    fn cut(self: Box<Self>, why: Why);
}

/// A TLS connection, or the tunnel that an HTTP/1.1 connection became.
pub(crate) struct TlsWire {
    /// The bytes that were read before the tunnel began, then the connection.
    stream: Ahead<Secured>,
}

impl TlsWire {
    pub(crate) fn new(head: Bytes, stream: Secured) -> Self {
        Self { stream: Ahead::new(head, stream) }
    }
}

impl Wire for TlsWire {
    fn cut(mut self: Box<Self>, _: Why) {
        self.stream.get_mut().tcp().reset();
    }
}

doorward_wire::through!(TlsWire, stream);

/// An HTTP/2 stream that became a tunnel (RFC 9113 section 8.5).
pub struct StreamWire {
    receive: RecvStream,
    /// Bytes that were received, and that nobody has read yet.
    chunk: Bytes,
    send: SendStream<Bytes>,
    ended: bool,
    kept: Option<Box<dyn Any + Send>>,
}

impl StreamWire {
    /// Returns the wire of one stream whose heads have been sent.
    #[must_use]
    pub fn new(receive: RecvStream, send: SendStream<Bytes>) -> Self {
        Self { receive, chunk: Bytes::new(), send, ended: false, kept: None }
    }

    /// Keeps a reservation as long as the stream lives.
    pub(crate) fn keeping(mut self, reservation: impl Any + Send) -> Self {
        self.kept = Some(Box::new(reservation));
        self
    }
}

impl Wire for StreamWire {
    fn cut(mut self: Box<Self>, _: Why) {
        // The client may still be sending, even after the gateway's END_STREAM.
        self.ended = false;
    }
}

impl Drop for StreamWire {
    fn drop(&mut self) {
        if !self.ended {
            self.send.send_reset(Reason::CANCEL);
        }
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}

impl AsyncBufRead for StreamWire {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() {
            match ready!(this.receive.poll_data(cx)) {
                Some(chunk) => this.chunk = chunk.map_err(broken)?,
                None => break,
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        let amount = amount.min(this.chunk.len());
        this.chunk.advance(amount);
        // This fails only for more bytes than were received.
        if let Err(error) = this.receive.flow_control().release_capacity(amount) {
            tracing::warn!(%error, "flow control");
        }
    }
}

impl AsyncRead for StreamWire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read_shown(self, cx, into)
    }
}

impl AsyncWrite for StreamWire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.send.reserve_capacity(bytes.len());
        while this.send.capacity() == 0 {
            match ready!(this.send.poll_capacity(cx)) {
                Some(capacity) => drop(capacity.map_err(broken)?),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let amount = this.send.capacity().min(bytes.len());
        let chunk = Bytes::copy_from_slice(bytes.get(..amount).unwrap_or_default());
        this.send.send_data(chunk, false).map_err(broken)?;
        Poll::Ready(Ok(amount))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's task sends what was handed over.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ended {
            this.send.send_data(Bytes::new(), true).map_err(broken)?;
            this.ended = true;
        }
        Poll::Ready(Ok(()))
    }
}
