//! A TLS connection whose fatal alerts arrive.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::ServerConnection;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::tcp::TcpConnection;

/// A TLS connection. When the peer breaks the protocol, the TLS library writes a fatal alert before
/// it returns the error. The connection then ends in such a way that the alert arrives.
#[derive(Debug)]
pub(crate) struct Secured {
    tls: TlsStream<TcpConnection>,
    is_alerted: bool,
}

impl Secured {
    pub(crate) fn new(tls: TlsStream<TcpConnection>) -> Self {
        Self { tls, is_alerted: false }
    }

    pub(crate) fn session(&self) -> &ServerConnection {
        self.tls.get_ref().1
    }

    pub(crate) fn tcp(&mut self) -> &mut TcpConnection {
        self.tls.get_mut().0
    }
}

/// Returns whether the peer has broken the protocol.
fn is_fatal<T>(polled: &Poll<io::Result<T>>) -> bool {
    matches!(polled, Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData)
}

impl Drop for Secured {
    fn drop(&mut self) {
        if self.is_alerted {
            self.tcp().alerted();
        }
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.tls).poll_read(cx, into);
        self.is_alerted |= is_fatal(&polled);
        polled
    }
}

impl AsyncBufRead for Secured {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let Self { tls, is_alerted } = self.get_mut();
        let polled = Pin::new(tls).poll_fill_buf(cx);
        *is_alerted |= is_fatal(&polled);
        polled
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        Pin::new(&mut self.tls).consume(amount);
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
