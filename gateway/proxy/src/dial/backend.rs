use std::io;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use doorward_session::Tracked;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::Stream;

/// A backend's end of a flow. It reads into a buffer that it borrows only while bytes are in
/// it, so that a silent flow holds none.
#[derive(Debug)]
pub(crate) struct Backend {
    stream: Stream,
    buffer: Option<Filled>,
    _tracked: Tracked,
}

#[derive(Debug)]
struct Filled {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Backend {
    pub(crate) fn new(stream: Stream, tracked: Tracked) -> Self {
        Self { stream, buffer: None, _tracked: tracked }
    }

    /// Ends both directions at once, and not properly: the backend sees a reset.
    pub(crate) fn reset(self) {
        if let Stream::Tcp(stream) = &self.stream
            && let Err(error) = stream.set_zero_linger()
        {
            tracing::debug!(%error, "a backend could not be reset");
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(filled) = self.buffer.take() {
            give_back(filled.bytes);
        }
    }
}

/// The size of a buffer: as much as a TCP window mostly holds.
const SIZE: usize = 64 * 1024;
/// How many unused buffers are kept.
const KEPT: usize = 64;

static UNUSED: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

fn borrow() -> Box<[u8]> {
    let unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner).pop();
    unused.unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
}

fn give_back(buffer: Box<[u8]>) {
    let mut unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner);
    if unused.len() < KEPT {
        unused.push(buffer);
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
        }
    }
}

impl AsyncBufRead for Backend {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.buffer.is_none() {
            let mut bytes = borrow();
            let mut into = ReadBuf::new(&mut bytes);
            let read = this.stream.poll_read(cx, &mut into);
            let end = into.filled().len();
            match read {
                Poll::Ready(Ok(())) if end > 0 => {
                    this.buffer = Some(Filled { bytes, start: 0, end });
                }
                Poll::Ready(Ok(())) => {
                    give_back(bytes);
                    return Poll::Ready(Ok(&[]));
                }
                Poll::Ready(Err(error)) => {
                    give_back(bytes);
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    give_back(bytes);
                    return Poll::Pending;
                }
            }
        }
        let shown =
            this.buffer.as_ref().and_then(|filled| filled.bytes.get(filled.start..filled.end));
        Poll::Ready(Ok(shown.unwrap_or_default()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        if let Some(filled) = &mut this.buffer {
            filled.start = filled.start.saturating_add(amount).min(filled.end);
            if filled.start == filled.end
                && let Some(filled) = this.buffer.take()
            {
                give_back(filled.bytes);
            }
        }
    }
}

impl AsyncRead for Backend {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let shown = ready!(self.as_mut().poll_fill_buf(cx))?;
        let amount = shown.len().min(buffer.remaining());
        buffer.put_slice(shown.get(..amount).unwrap_or_default());
        self.consume(amount);
        Poll::Ready(Ok(()))
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
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
