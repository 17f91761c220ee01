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

/// How long a peer that has been told a fatal alert may go on saying something, ...
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// ... and how much.
const DRAINED: u64 = 64 * 1024;

/// A TCP connection that is reset when it is dropped, unless it was shut down first.
///
/// After a FIN, stock clients report a complete transfer even where TLS was not closed. So a
/// connection that is cut, or lost on the way, must end with RST and with nothing else; the
/// TLS layer shuts a line down only after its close_notify.
///
/// The exception is a connection that ends with a fatal TLS alert: the alert has to arrive, so
/// writing is shut down and what the peer still sends is drained, within bounds.
#[derive(Debug)]
pub struct TcpConnection {
    /// There until it is dropped.
    tcp: Option<TcpStream>,
    end: End,
    /// The file that it is, among those that the process may have open.
    file: Option<Places<Party>>,
}

/// How a connection ends that is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Reset,
    /// It was shut down already.
    ShutDown,
    /// After a fatal alert.
    Alerted,
}

impl TcpConnection {
    /// Takes a connection over.
    pub(crate) fn new(tcp: TcpStream, file: Option<Places<Party>>) -> Self {
        // Interactive traffic; a failure costs only time.
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        Self { tcp: Some(tcp), end: End::Reset, file }
    }

    /// From now on it is reset when it is dropped, whatever came before.
    pub(crate) fn reset(&mut self) {
        self.end = End::Reset;
    }

    /// A fatal alert has been written to it, and is to arrive.
    pub(crate) fn alerted(&mut self) {
        self.end = End::Alerted;
    }

    /// Somebody else answers for its file from now on.
    pub(crate) fn belongs_to(&mut self, file: Places<Party>) {
        self.file = Some(file);
    }

    fn tcp(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.tcp.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Ends a connection so that the last words to its peer arrive rather than a reset.
async fn part(mut tcp: TcpStream) {
    let end = async {
        tcp.flush().await?;
        tcp.shutdown().await?;
        let mut rest = (&mut tcp).take(DRAINED);
        let mut bytes = [0; 4096];
        while rest.read(&mut bytes).await? > 0 {}
        io::Result::Ok(())
    };
    if let Ok(Err(error)) = timeout(DRAIN_TIME, end).await {
        tracing::trace!(%error, "a refused peer went before it was told");
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
                    part(tcp).await;
                    drop(file);
                });
            }
            (End::Reset, _) | (End::Alerted, Err(_)) => {
                if let Err(error) = tcp.set_zero_linger() {
                    tracing::debug!(%error, "a lost connection could not be reset");
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
