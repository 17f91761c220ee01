//! One TCP connection, and how it ends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_policies::Party;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::pot::Places;

/// How long a peer may go on sending after a fatal alert, ...
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// ... and how many bytes.
const DRAINED: u64 = 64 * 1024;

/// A TCP connection that is reset when it is dropped, unless it was shut down first.
///
/// After a FIN, stock clients report a complete transfer even if TLS was not closed. So a
/// connection that is cut or breaks off must end with RST and nothing else. The TLS layer shuts the
/// connection down only after its close_notify.
///
/// A connection that ends with a fatal TLS alert is the exception, because the alert must arrive.
/// The gateway shuts down its writing side and drains what the peer still sends, within bounds.
#[derive(Debug)]
pub struct TcpConnection {
    /// `None` only while the connection is dropped.
    tcp: Option<TcpStream>,
    end: End,
    /// The reservation of the connection's file.
    file: Option<Places<Party>>,
}

/// What a drop does with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Reset,
    /// Nothing: it was shut down before.
    ShutDown,
    /// Drain it: a fatal alert was written.
    Alerted,
}

impl TcpConnection {
    /// Takes over a connection.
    pub(crate) fn new(tcp: TcpStream, file: Option<Places<Party>>) -> Self {
        // Interactive traffic. A failure costs only latency.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        Self { tcp: Some(tcp), end: End::Reset, file }
    }

    /// Makes a drop reset the connection, whatever happened before.
    pub(crate) fn reset(&mut self) {
        self.end = End::Reset;
    }

    /// Notes that a fatal alert was written, which must arrive.
    pub(crate) fn alerted(&mut self) {
        self.end = End::Alerted;
    }

    /// Replaces the reservation of the connection's file.
    pub(crate) fn belongs_to(&mut self, file: Places<Party>) {
        self.file = Some(file);
    }

    fn tcp(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.tcp.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Ends a connection so that the alert arrives, and no reset overtakes it.
async fn end_after_alert(mut tcp: TcpStream) {
    let end = async {
        tcp.flush().await?;
        tcp.shutdown().await?;
        let mut rest = (&mut tcp).take(DRAINED);
        let mut bytes = [0; 4096];
        while rest.read(&mut bytes).await? > 0 {}
        io::Result::Ok(())
    };
    if let Ok(Err(error)) = timeout(DRAIN_TIME, end).await {
        tracing::trace!(%error, "a peer left before it had read its alert");
    }
}

impl Drop for TcpConnection {
    fn drop(&mut self) {
        let Some(tcp) = self.tcp.take() else { return };
        match (self.end, tokio::runtime::Handle::try_current()) {
            (End::ShutDown, _) => {}
            (End::Alerted, Ok(runtime)) => {
                let file = self.file.take();
                runtime.spawn(async move {
                    end_after_alert(tcp).await;
                    drop(file);
                });
            }
            (End::Reset, _) | (End::Alerted, Err(_)) => {
                if let Err(error) = tcp.set_zero_linger() {
                    tracing::debug!(%error, "a connection could not be reset");
                }
            }
        }
    }
}

impl AsyncRead for TcpConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.tcp()?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for TcpConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.tcp()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tcp()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = self.tcp()?.poll_shutdown(cx);
        if matches!(done, Poll::Ready(Ok(()))) && self.end == End::Reset {
            self.end = End::ShutDown;
        }
        done
    }
}
