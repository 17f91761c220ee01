//! What carries datagrams to a backend: each way that takes datagrams implements it in its own file.

use std::fmt;
use std::io;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

/// The socket or flow that carries datagrams.
pub(super) trait Messenger: fmt::Debug + Send {
    /// Receives the next datagram. Returns `false` when the backend has ended the flow.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>>;

    /// Sends a datagram, or drops it if it cannot be sent at once.
    fn send(&mut self, datagram: &[u8]);

    /// Ends the flow.
    fn close(self);
}
