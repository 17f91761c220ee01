//! The backend's end of a flow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use doorward_session::Tracked;
use doorward_wire::{Buffer, Why, poll_read_shown};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;

/// A backend's end of a flow.
#[derive(Debug)]
pub(crate) struct Backend {
    stream: Stream,
    buffer: Buffer,
    _tracked: Tracked,
}

impl Backend {
    pub(crate) fn new(stream: Stream, tracked: Tracked) -> Self {
        Self { stream, buffer: Buffer::default(), _tracked: tracked }
    }

    /// Ends it after its flow, and answers what is to be recorded of it beside its bytes. Where the
    /// flow did not end properly, the backend is reset. It is waited for, within a bound, that
    /// nothing of a program is left.
    pub(crate) async fn end(self, properly: bool) -> Option<String> {
        match self.stream {
            Stream::Process(program) => {
                let left = program.end().await;
                if let Some(left) = &left {
                    tracing::error!("{left}");
                }
                left
            }
            Stream::Serial(ref seat) => {
                let remark = seat.remark();
                if !properly {
                    self.reset();
                }
                remark
            }
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Rtu(_) | Stream::Agent(_) => {
                if !properly {
                    self.reset();
                }
                None
            }
        }
    }

    /// Ends both directions at once, and not properly: the backend sees a reset.
    pub(crate) fn reset(self) {
        match self.stream {
            Stream::Tcp(stream) => {
                if let Err(error) = stream.set_zero_linger() {
                    tracing::debug!(%error, "a backend could not be reset");
                }
            }
            // It knows no reset: its end is all that it is told.
            Stream::Unix(_) => {}
            Stream::Serial(mut seat) => seat.reset(),
            // What waits is dropped; what is on the line is finished.
            Stream::Rtu(_) => {}
            Stream::Process(mut stream) => stream.reset(),
            Stream::Agent(pipe) => pipe.cut(Why::Ended),
        }
    }
}

impl Stream {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Serial(seat) => Pin::new(seat).poll_read(cx, buffer),
            Self::Rtu(seat) => Pin::new(seat).poll_read(cx, buffer),
            Self::Process(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Agent(pipe) => Pin::new(pipe).poll_read(cx, buffer),
        }
    }
}

impl AsyncBufRead for Backend {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        let stream = &mut this.stream;
        ready!(this.buffer.poll_fill(cx, |cx, into| stream.poll_read(cx, into)))?;
        Poll::Ready(Ok(this.buffer.shown()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().buffer.consume(amount);
    }
}

impl AsyncRead for Backend {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Whoever has a buffer of its own needs none between.
        if self.buffer.is_empty() {
            return self.get_mut().stream.poll_read(cx, into);
        }
        poll_read_shown(self, cx, into)
    }
}

impl AsyncWrite for Backend {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Serial(seat) => Pin::new(seat).poll_write(cx, bytes),
            Stream::Rtu(seat) => Pin::new(seat).poll_write(cx, bytes),
            Stream::Process(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Agent(pipe) => Pin::new(pipe).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Serial(seat) => Pin::new(seat).poll_flush(cx),
            Stream::Rtu(seat) => Pin::new(seat).poll_flush(cx),
            Stream::Process(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Agent(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Serial(seat) => Pin::new(seat).poll_shutdown(cx),
            Stream::Rtu(seat) => Pin::new(seat).poll_shutdown(cx),
            Stream::Process(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Agent(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}
