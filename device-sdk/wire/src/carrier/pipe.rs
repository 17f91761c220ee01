//! One stream of a connection: the bytes of one flow, both ways.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use quinn::VarInt;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _};

use super::buffer::{Buffer, poll_read_shown};
use super::chunks::{CHUNK, Chunks, put_chunk};
use super::unread_frames::StreamUnread;
use crate::message::Why;

/// One stream of a [`Carrier`](super::Carrier): the bytes of one flow, both ways.
///
/// A shutdown ends the write direction properly, and the other end reads an end. When a pipe is
/// dropped or cut without a shutdown, the other end reads an error, never an end.
///
/// Over yamux, bytes travel in chunks (`chunks.rs`), because yamux readers cannot tell a reset
/// from an end. A stream that ends without the last chunk was cut.
#[derive(Debug)]
pub struct Pipe {
    /// The number of the stream, the same at both ends.
    id: u64,
    raw: RawStream,
    buffer: Buffer,
    /// Whether the other end has ended its direction properly.
    read_ended: bool,
    /// Whether this side has ended its direction properly.
    write_ended: bool,
    kept: Option<Box<dyn Any + Send + Sync>>,
}

#[derive(Debug)]
enum RawStream {
    Quic {
        send: quinn::SendStream,
        receive: quinn::RecvStream,
        /// Why this side has closed the connection.
        closed: Arc<OnceLock<Why>>,
    },
    Yamux(Box<Chunked>),
}

/// A yamux stream with its chunk parser and its outgoing chunk.
#[derive(Debug)]
struct Chunked {
    stream: Compat<yamux::Stream>,
    unread: StreamUnread,
    coming: Chunks,
    /// The outgoing chunk; `sent` of its bytes have been written.
    out: Vec<u8>,
    sent: usize,
}

impl Pipe {
    pub(super) fn quic(
        (send, receive): (quinn::SendStream, quinn::RecvStream),
        closed: Arc<OnceLock<Why>>,
    ) -> Self {
        let id = VarInt::from(send.id()).into_inner();
        Self::new(id, RawStream::Quic { send, receive, closed })
    }

    pub(super) fn yamux(stream: yamux::Stream, unread: StreamUnread) -> Self {
        let id = u64::from(stream.id().val());
        let coming = Chunks::default();
        let (stream, out) = (stream.compat(), Vec::new());
        let chunked = Chunked { stream, unread, coming, out, sent: 0 };
        Self::new(id, RawStream::Yamux(Box::new(chunked)))
    }

    fn new(id: u64, raw: RawStream) -> Self {
        let buffer = Buffer::default();
        Self { id, raw, buffer, read_ended: false, write_ended: false, kept: None }
    }

    /// Keeps a value, such as a reservation, until the pipe is dropped.
    pub fn keep(&mut self, place: impl Any + Send + Sync) {
        self.kept = Some(Box::new(place));
    }

    /// Returns whether the pipe keeps such a value.
    #[must_use]
    pub fn is_keeping(&self) -> bool {
        self.kept.is_some()
    }

    /// Returns the number of the stream on its connection, which is the same at both ends.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Waits until the other end has acknowledged everything written before the shutdown. Closing
    /// a QUIC connection earlier loses those bytes. Over yamux it returns at once.
    pub async fn delivered(&mut self) {
        if let RawStream::Quic { send, .. } = &mut self.raw {
            // Any result means that there is nothing more to wait for.
            drop(send.stopped().await);
        }
    }

    /// Resets both directions. The other end reads an error.
    pub fn cut(mut self, why: Why) {
        self.reset(why);
    }

    fn reset(&mut self, why: Why) {
        if let RawStream::Quic { send, receive, .. } = &mut self.raw {
            let code = VarInt::from_u64(why.code()).unwrap_or_default();
            // Each call fails only if its direction is over already.
            drop(send.reset(code));
            drop(receive.stop(code));
        }
        // Over yamux nothing needs to be sent: the missing last chunk is the cut.
        (self.write_ended, self.read_ended) = (true, true);
    }

    /// Reads from the stream without parsing chunks, for datagrams, which have their own format.
    pub(super) fn poll_read_raw(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // First come bytes that were buffered while the opening frames were read.
        if !self.buffer.is_empty() {
            let shown = self.buffer.shown();
            let amount = shown.len().min(into.remaining());
            into.put_slice(shown.get(..amount).unwrap_or_default());
            self.buffer.consume(amount);
            return Poll::Ready(Ok(()));
        }
        self.raw.poll_read(cx, into)
    }

    pub(super) fn poll_write_raw(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.raw {
            RawStream::Quic { send, .. } => {
                Pin::new(send).poll_write(cx, bytes).map_err(Into::into)
            }
            RawStream::Yamux(chunked) => {
                ready!(chunked.poll_drain(cx))?;
                Pin::new(&mut chunked.stream).poll_write(cx, bytes)
            }
        }
    }

    pub(super) fn poll_flush_raw(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.raw {
            RawStream::Quic { .. } => Poll::Ready(Ok(())),
            RawStream::Yamux(chunked) => {
                ready!(chunked.poll_drain(cx))?;
                Pin::new(&mut chunked.stream).poll_flush(cx)
            }
        }
    }

    /// Returns whether this is a stream of a QUIC connection.
    pub(super) fn is_quic(&self) -> bool {
        matches!(self.raw, RawStream::Quic { .. })
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if !self.write_ended || !self.read_ended {
            // quinn finishes a dropped stream, which would be a proper end.
            if let RawStream::Quic { send, receive, .. } = &mut self.raw {
                let code = VarInt::from_u32(0);
                if !self.write_ended {
                    drop(send.reset(code));
                }
                if !self.read_ended {
                    drop(receive.stop(code));
                }
            }
        }
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the flow was cut")
}

/// Says why a QUIC stream ended: by the reason that the other end gave for the stream, or that either
/// end gave for the whole connection.
fn end_of(error: quinn::ReadError, closed: Option<&Why>) -> String {
    match error {
        quinn::ReadError::Reset(code) => Why::of(code.into_inner()).to_string(),
        quinn::ReadError::ConnectionLost(quinn::ConnectionError::ApplicationClosed(closed)) => {
            Why::of(closed.error_code.into_inner()).to_string()
        }
        quinn::ReadError::ConnectionLost(error) => match (error, closed) {
            (quinn::ConnectionError::LocallyClosed, Some(why)) => why.to_string(),
            (error, _) => error.to_string(),
        },
        error @ (quinn::ReadError::ClosedStream
        | quinn::ReadError::IllegalOrderedRead
        | quinn::ReadError::ZeroRttRejected) => error.to_string(),
    }
}

impl RawStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Quic { receive, closed, .. } => {
                let end = |error| end_of(error, closed.get());
                let read = receive.poll_read_buf(cx, into);
                read.map_err(|error| io::Error::new(io::ErrorKind::ConnectionReset, end(error)))
            }
            Self::Yamux(chunked) => {
                let before = into.filled().len();
                ready!(Pin::new(&mut chunked.stream).poll_read(cx, into))?;
                chunked.unread.note_read(into.filled().len() - before);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl Chunked {
    /// Writes the rest of the outgoing chunk.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let rest = self.out.get(self.sent..).unwrap_or_default();
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        self.out.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Pipe {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        loop {
            if this.read_ended {
                return Poll::Ready(Ok(&[]));
            }
            let raw = &mut this.raw;
            ready!(this.buffer.poll_fill(cx, |cx, into| raw.poll_read(cx, into)))?;
            match &mut this.raw {
                RawStream::Quic { .. } => {
                    this.read_ended = this.buffer.is_empty();
                    return Poll::Ready(Ok(this.buffer.shown()));
                }
                RawStream::Yamux(chunked) => {
                    if this.buffer.is_empty() {
                        return Poll::Ready(Err(cut_off()));
                    }
                    let passed = chunked.coming.pass(this.buffer.shown());
                    this.buffer.consume(passed);
                    this.read_ended = chunked.coming.ended();
                    if !this.buffer.is_empty() && !this.read_ended {
                        break;
                    }
                }
            }
        }
        let RawStream::Yamux(chunked) = &this.raw else { return Poll::Ready(Ok(&[])) };
        Poll::Ready(Ok(chunked.coming.data(this.buffer.shown())))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        if let RawStream::Yamux(chunked) = &mut this.raw {
            chunked.coming.advance(amount);
        }
        this.buffer.consume(amount);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read_shown(self, cx, into)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match &mut this.raw {
            RawStream::Quic { send, .. } => {
                Pin::new(send).poll_write(cx, bytes).map_err(Into::into)
            }
            RawStream::Yamux(chunked) => {
                ready!(chunked.poll_drain(cx))?;
                let amount = bytes.len().min(CHUNK);
                if amount > 0 {
                    put_chunk(bytes.get(..amount).unwrap_or_default(), &mut chunked.out);
                    // The pipe owns the chunk now. The next call writes what is left of it.
                    if let Poll::Ready(Err(error)) = chunked.poll_drain(cx) {
                        return Poll::Ready(Err(error));
                    }
                }
                Poll::Ready(Ok(amount))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush_raw(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.raw {
            RawStream::Quic { send, .. } => {
                // `finish` fails only after a reset, of which the other end already knows.
                if !this.write_ended {
                    send.finish().map_err(|_| cut_off())?;
                }
            }
            RawStream::Yamux(chunked) => {
                ready!(chunked.poll_drain(cx))?;
                if !this.write_ended {
                    put_chunk(&[], &mut chunked.out);
                    this.write_ended = true;
                }
                ready!(chunked.poll_drain(cx))?;
                ready!(Pin::new(&mut chunked.stream).poll_shutdown(cx))?;
            }
        }
        this.write_ended = true;
        Poll::Ready(Ok(()))
    }
}
