use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use doorward_session::Wire;
use doorward_wire::{Why, poll_read_shown};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, ReadBuf};

/// What an HTTP/2 client says first (RFC 9113 section 3.4), and no HTTP/1.1 client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream of which something has been read that is to be read again.
pub(super) struct Ahead<T> {
    head: Bytes,
    stream: T,
}

impl<T> Ahead<T> {
    pub(super) fn new(head: Bytes, stream: T) -> Self {
        Self { head, stream }
    }
}

impl Ahead<Box<dyn Wire>> {
    /// Whether a client speaks HTTP/2, and all that it has said.
    pub(super) async fn of(mut wire: Box<dyn Wire>) -> io::Result<(bool, Self)> {
        let mut head = BytesMut::with_capacity(PREFACE.len());
        loop {
            let shown = wire.fill_buf().await?;
            let wanted = shown.len().min(PREFACE.len() - head.len());
            head.extend_from_slice(shown.get(..wanted).unwrap_or_default());
            wire.consume(wanted);
            let is_http2 = head == PREFACE;
            if wanted == 0 || is_http2 || !PREFACE.starts_with(&head) {
                return Ok((is_http2, Self::new(head.freeze(), wire)));
            }
        }
    }

    /// The same, with what an HTTP library had read of it and not used.
    pub(super) fn again(self, unused: Bytes) -> Self {
        // The library read in order: what it has not asked for yet comes after that.
        let head = [unused, self.head].concat().into();
        Self { head, stream: self.stream }
    }

    /// Ends it, and not properly.
    pub(super) fn cut(self, why: Why) {
        self.stream.cut(why);
    }
}

impl<T: AsyncBufRead + Unpin> AsyncBufRead for Ahead<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.head.is_empty() {
            Pin::new(&mut this.stream).poll_fill_buf(cx)
        } else {
            Poll::Ready(Ok(&this.head))
        }
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        if this.head.is_empty() {
            Pin::new(&mut this.stream).consume(amount);
        } else {
            this.head.advance(amount.min(this.head.len()));
        }
    }
}

impl<T: AsyncBufRead + Unpin> AsyncRead for Ahead<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        poll_read_shown(self, cx, into)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Ahead<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
