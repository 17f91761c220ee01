use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection that is reset when it is dropped, unless it was shut down first.
///
/// After a FIN, stock clients report a complete transfer even where TLS was not closed. So a
/// connection that is cut, or lost on the way, must end with RST and with nothing else; the
/// TLS layer shuts a line down only after its close_notify.
#[derive(Debug)]
pub struct Line {
    tcp: TcpStream,
    ended: bool,
}

impl Line {
    /// Takes a connection over.
    #[must_use]
    pub fn new(tcp: TcpStream) -> Self {
        // Interactive traffic; a failure costs only time.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        Self { tcp, ended: false }
    }

    /// From now on it is reset when it is dropped, whatever came before.
    pub(crate) fn reset(&mut self) {
        self.ended = false;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.ended
            && let Err(error) = self.tcp.set_zero_linger()
        {
            tracing::debug!(%error, "a lost connection could not be reset");
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.tcp).poll_shutdown(cx);
        if matches!(done, Poll::Ready(Ok(()))) {
            self.ended = true;
        }
        done
    }
}
