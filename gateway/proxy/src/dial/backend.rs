//! The gateway's connection to the backend of a flow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use doorward_session::Tracked;
use doorward_wire::{Buffer, Why, poll_read_shown};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::BackendStream;

/// The gateway's connection to the backend of a flow.
#[derive(Debug)]
pub(crate) struct BackendConnection {
    stream: BackendStream,
    buffer: Buffer,
    _tracked: Tracked,
}

impl BackendConnection {
    pub(crate) fn new(stream: BackendStream, tracked: Tracked) -> Self {
        Self { stream, buffer: Buffer::default(), _tracked: tracked }
    }

    /// Ends the connection after its flow. Returns a remark for the record besides the byte counts.
    /// Resets the backend if the flow did not end properly. Waits, for a limited time, until no
    /// process of a program is left.
    pub(crate) async fn end(self, properly: bool) -> Option<String> {
        match self.stream {
            BackendStream::Process(program) => {
                let left = program.end().await;
                if let Some(left) = &left {
                    tracing::error!("{left}");
                }
                left
            }
            BackendStream::Serial(ref seat) => {
                let remark = seat.remark();
                if !properly {
                    self.reset();
                }
                remark
            }
            BackendStream::Tcp(_)
            | BackendStream::Unix(_)
            | BackendStream::Rtu(_)
            | BackendStream::Agent(_) => {
                if !properly {
                    self.reset();
                }
                None
            }
        }
    }

    /// Ends both directions at once. The backend sees a reset.
    pub(crate) fn reset(self) {
        match self.stream {
            BackendStream::Tcp(stream) => {
                if let Err(error) = stream.set_zero_linger() {
                    tracing::debug!(%error, "a backend could not be reset");
                }
            }
            // A Unix socket has no reset, so the backend only sees the end.
            BackendStream::Unix(_) => {}
            BackendStream::Serial(mut seat) => seat.reset(),
            // Dropping the seat drops the requests that wait. The request on the line is completed.
            BackendStream::Rtu(_) => {}
            BackendStream::Process(mut stream) => stream.reset(),
            BackendStream::Agent(pipe) => pipe.cut(Why::Ended),
        }
    }
}

impl BackendStream {
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

impl AsyncBufRead for BackendConnection {
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

impl AsyncRead for BackendConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A reader with its own buffer reads past the empty buffer of the connection.
        if self.buffer.is_empty() {
            return self.get_mut().stream.poll_read(cx, into);
        }
        poll_read_shown(self, cx, into)
    }
}

impl AsyncWrite for BackendConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            BackendStream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            BackendStream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            BackendStream::Serial(seat) => Pin::new(seat).poll_write(cx, bytes),
            BackendStream::Rtu(seat) => Pin::new(seat).poll_write(cx, bytes),
            BackendStream::Process(stream) => Pin::new(stream).poll_write(cx, bytes),
            BackendStream::Agent(pipe) => Pin::new(pipe).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            BackendStream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            BackendStream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            BackendStream::Serial(seat) => Pin::new(seat).poll_flush(cx),
            BackendStream::Rtu(seat) => Pin::new(seat).poll_flush(cx),
            BackendStream::Process(stream) => Pin::new(stream).poll_flush(cx),
            BackendStream::Agent(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            BackendStream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            BackendStream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            BackendStream::Serial(seat) => Pin::new(seat).poll_shutdown(cx),
            BackendStream::Rtu(seat) => Pin::new(seat).poll_shutdown(cx),
            BackendStream::Process(stream) => Pin::new(stream).poll_shutdown(cx),
            BackendStream::Agent(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}
