//! A stream to or from a local program.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::carry::{Patience, carry};
use crate::failure::Failure;

/// A stream to or from a local program.
#[derive(Debug)]
pub(crate) enum LocalStream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl LocalStream {
    /// Makes the end of this stream a reset until [`release`](Self::release) is called, so that a
    /// flow that was cut does not look complete. A Unix socket has no reset.
    pub(crate) fn guard(&self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => {
                tcp.set_nodelay(true)?;
                tcp.set_zero_linger()
            }
            Self::Unix(_) => Ok(()),
        }
    }

    /// Makes the end of this stream a proper one again.
    pub(crate) fn release(&self) -> io::Result<()> {
        match self {
            #[expect(deprecated, reason = "no linger at all is the system's default")]
            Self::Tcp(tcp) => tcp.set_linger(None),
            Self::Unix(_) => Ok(()),
        }
    }

    /// Carries a flow until both ends have ended. Sends the bytes in `already`, which were read
    /// from this stream before, and then the rest of the stream.
    pub(crate) async fn carry(
        mut self,
        flow: &mut (impl AsyncRead + AsyncWrite + Unpin + ?Sized),
        already: Vec<u8>,
    ) -> Result<(), Failure> {
        let lost = |error| Failure::Local { what: "the local program".to_owned(), error };
        self.guard().map_err(lost)?;
        {
            let (input, output) = tokio::io::split(&mut self);
            carry(flow, already.as_slice().chain(input), output, Patience::Whole).await?;
        }
        self.release().map_err(lost)
    }
}

impl AsyncRead for LocalStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, into),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for LocalStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Unix(unix) => Pin::new(unix).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
        }
    }
}
