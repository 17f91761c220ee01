//! The gateway's connection to the backend of a flow of datagrams.

use std::io;
use std::task::{Context, Poll};

use doorward_session::Tracked;
use tokio::io::ReadBuf;

use super::BackendDatagrams;
use super::messenger::Messenger as _;

/// The gateway's connection to the backend of a flow of datagrams.
#[derive(Debug)]
pub(crate) struct Messages {
    messenger: BackendDatagrams,
    _tracked: Tracked,
}

impl Messages {
    pub(crate) fn new(messenger: BackendDatagrams, tracked: Tracked) -> Self {
        Self { messenger, _tracked: tracked }
    }

    /// Receives the next datagram. Returns `false` when the backend has ended the flow.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        self.messenger.poll_receive(cx, into)
    }

    /// Sends a datagram, or drops it if it cannot be sent at once.
    pub(crate) fn send(&mut self, datagram: &[u8]) {
        self.messenger.send(datagram);
    }

    pub(crate) fn close(self) {
        self.messenger.close();
    }
}
