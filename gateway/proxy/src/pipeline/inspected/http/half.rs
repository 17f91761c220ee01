//! Clients that have ended their side and still wait for a response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::SetOnce;
use tokio::time::sleep;

use super::preface::ClientStream;

/// How long a response to a client goes on after the client has ended its side. The client may be
/// gone.
const ANSWERED: Duration = Duration::from_secs(30);

/// A client's stream. [`Silence`] begins when the client has ended its side.
pub(super) struct Half {
    client: ClientStream,
    silence: Silence,
}

/// Marks when the client has ended its side.
#[derive(Clone, Default)]
pub(super) struct Silence(Arc<SetOnce<()>>);

impl Silence {
    /// Waits until the client has been silent for too long.
    pub(super) async fn over(&self) {
        self.0.wait().await;
        sleep(ANSWERED).await;
    }
}

impl Half {
    pub(super) fn new(client: ClientStream) -> (Self, Silence) {
        let silence = Silence::default();
        (Self { client, silence: silence.clone() }, silence)
    }

    pub(super) fn into_client(self) -> ClientStream {
        self.client
    }
}

impl AsyncRead for Half {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.client).poll_read(cx, into))?;
        if into.filled().len() == before && into.remaining() > 0 {
            // The end may be read more than once.
            drop(this.silence.0.set(()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Half {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().client).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().client).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().client).poll_shutdown(cx)
    }
}
