//! What is on its way to one side of an inspected flow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

/// What has been decided for one side, and is on its way there.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// How much of it has been sent.
    sent: usize,
    unflushed: bool,
    /// Nothing more will come; the side is to be told when all has been sent.
    pub(super) ending: bool,
    /// The side has been told.
    pub(super) ended: bool,
}

impl Lane {
    /// Sends what can be sent now of `bytes`, which are emptied when all is. `Ready` when there is
    /// nothing more to do.
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

    /// How much of `bytes` waits to be sent.
    pub(super) fn waiting(&self, bytes: &[u8]) -> usize {
        bytes.len().saturating_sub(self.sent)
    }
}
