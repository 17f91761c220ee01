//! A queue of bytes to be written to a stream.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// The bytes to be written to a stream. The caller bounds them.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: VecDeque<u8>,
    /// Whether bytes were written since the last flush.
    unflushed: bool,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn put(&mut self, bytes: impl IntoIterator<Item = u8>) {
        self.bytes.extend(bytes);
    }

    /// Writes and flushes all bytes.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() {
            let (first, _) = self.bytes.as_slices();
            match ready!(Pin::new(&mut *into).poll_write(cx, first))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.bytes.drain(..written)),
            }
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(into).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl Extend<u8> for Outbox {
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.put(bytes);
    }
}
