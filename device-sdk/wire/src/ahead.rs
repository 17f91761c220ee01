//! A stream with bytes in front of it that have already been read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use crate::poll_read_shown;
use crate::through::writes_through;

/// A stream that yields some already read bytes again before it goes on.
#[derive(Debug)]
pub struct Ahead<T> {
    head: Bytes,
    stream: T,
}

impl<T> Ahead<T> {
    /// Returns a reader that yields `head` first and then `stream`.
    #[must_use]
    pub fn new(head: Bytes, stream: T) -> Self {
        Self { head, stream }
    }

    /// Puts `unused` bytes, which somebody has read but not used, in front of the rest.
    #[must_use]
    pub fn again(self, unused: Bytes) -> Self {
        let head = if self.head.is_empty() { unused } else { [unused, self.head].concat().into() };
        Self { head, stream: self.stream }
    }

    /// Returns the inner stream.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.stream
    }

    /// Returns the inner stream. Drops the bytes that were still to be read before it.
    #[must_use]
    pub fn into_stream(self) -> T {
        self.stream
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

writes_through!(Ahead, stream);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn what_was_read_is_read_again_in_its_order() {
        let ahead =
            Ahead::new(Bytes::from_static(b"cd"), &b"ef"[..]).again(Bytes::from_static(b"ab"));
        let mut ahead = tokio::io::join(ahead, tokio::io::sink());
        let mut read = String::new();
        ahead.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "abcdef");
    }
}
