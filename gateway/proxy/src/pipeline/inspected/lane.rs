//! The bytes that wait to be sent to one side of an inspected flow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// The progress of sending decided bytes to one side.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// How many of the bytes were sent.
    sent: usize,
    unflushed: bool,
    /// No more bytes will come. The side is shut down when all are sent.
    pub(super) ending: bool,
    /// The side was shut down.
    pub(super) ended: bool,
}

impl Lane {
    /// Sends as many of `bytes` as can be sent now, and empties them when all are sent. Returns
    /// `Ready` when there is nothing more to do.
    pub(super) fn poll<W: AsyncWrite + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Vec<u8>,
        mut sink: Pin<&mut W>,
        moved: impl Fn(usize),
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(sink.as_mut().poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => {
                    self.sent += written;
                    self.unflushed = true;
                    moved(written);
                }
            }
        }
        bytes.clear();
        self.sent = 0;
        if self.unflushed {
            ready!(sink.as_mut().poll_flush(cx))?;
            self.unflushed = false;
        }
        if self.ending && !self.ended {
            ready!(sink.as_mut().poll_shutdown(cx))?;
            self.ended = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Returns how many of `bytes` wait to be sent.
    pub(super) fn waiting(&self, bytes: &[u8]) -> usize {
        bytes.len().saturating_sub(self.sent)
    }
}
