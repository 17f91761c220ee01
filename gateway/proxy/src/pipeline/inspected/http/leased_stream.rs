//! A connection to a backend, as the HTTP library uses it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use doorward_policies::Outcome;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::dial::BackendConnection;
use crate::pipeline::held::HeldLeases;
use crate::pipeline::record::{Ended, FlowEnding, record};

/// A connection to the backend for the HTTP library. It counts its bytes on its leases. A drop
/// before the shutdown resets it. The drop records the end.
pub(super) struct LeasedStream {
    backend: Option<BackendConnection>,
    flow: HeldLeases,
    own: Option<OwnPermit>,
    ended: bool,
}

/// The permit of a connection that is not the flow's first.
pub(super) struct OwnPermit {
    pub(super) lease: HeldLeases,
    pub(super) ending: FlowEnding,
    pub(super) address: String,
}

impl LeasedStream {
    pub(super) fn new(
        backend: BackendConnection,
        flow: HeldLeases,
        own: Option<OwnPermit>,
    ) -> Self {
        Self { backend: Some(backend), flow, own, ended: false }
    }

    fn leases(&self) -> impl Iterator<Item = &HeldLeases> {
        std::iter::once(&self.flow).chain(self.own.as_ref().map(|own| &own.lease))
    }

    fn backend(&mut self) -> io::Result<Pin<&mut BackendConnection>> {
        self.backend.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for LeasedStream {
    fn drop(&mut self) {
        let ended = self.ended;
        if let Some(backend) = self.backend.take().filter(|_| !ended) {
            backend.reset();
        }
        let Some(OwnPermit { lease, ending, address }) = self.own.take() else { return };
        let (outcome, reason) = match lease.cause() {
            _ if ended => (Outcome::Done, "complete"),
            Some(cause) => (Outcome::Cut, cause.as_str()),
            None => (Outcome::Failed, "broken-off"),
        };
        record(Ended { lease, ending, outcome, reason, backend: Some(address), detail: None });
    }
}

impl fmt::Debug for LeasedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeasedStream")
    }
}

impl AsyncBufRead for LeasedStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().backend()?.poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        if let Ok(backend) = self.backend() {
            backend.consume(amount);
        }
        self.leases().for_each(|lease| lease.moved_down(amount));
    }
}

impl AsyncRead for LeasedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = self.backend()?.poll_read(cx, into);
        let moved = into.filled().len() - before;
        if moved > 0 {
            self.leases().for_each(|lease| lease.moved_down(moved));
        }
        read
    }
}

impl AsyncWrite for LeasedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.backend()?.poll_write(cx, bytes);
        if let Poll::Ready(Ok(moved)) = &written {
            self.leases().for_each(|lease| lease.moved_up(*moved));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.backend()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = self.backend()?.poll_shutdown(cx);
        if matches!(ended, Poll::Ready(Ok(()))) {
            self.ended = true;
        }
        ended
    }
}
