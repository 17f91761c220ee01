//! What datagrams are exchanged with.

use std::io;
use std::task::{Context, Poll, ready};

use doorward_session::Tracked;
use doorward_wire::{Datagrams, Why};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// What datagrams are exchanged with.
#[derive(Debug)]
pub(crate) enum Messenger {
    /// A socket that sends to one address and hears from nobody else.
    Udp(UdpSocket),
    /// What a device offers.
    Agent(Box<Datagrams>),
}

/// A backend's end of a flow of datagrams.
#[derive(Debug)]
pub(crate) struct Messages {
    messenger: Messenger,
    _tracked: Tracked,
}

impl Messages {
    pub(crate) fn new(messenger: Messenger, tracked: Tracked) -> Self {
        Self { messenger, _tracked: tracked }
    }

    /// The next datagram; `false` when the backend has ended.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        match &mut self.messenger {
            Messenger::Udp(socket) => loop {
                match ready!(socket.poll_recv(cx, into)) {
                    Ok(()) => return Poll::Ready(Ok(true)),
                    // The answer to an earlier datagram: nobody was there then.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            },
            Messenger::Agent(datagrams) => match ready!(datagrams.poll_receive(cx))? {
                Some(datagram) => {
                    let length = datagram.len().min(into.remaining());
                    into.put_slice(datagram.get(..length).unwrap_or_default());
                    Poll::Ready(Ok(true))
                }
                None => Poll::Ready(Ok(false)),
            },
        }
    }

    /// Sends one, or drops it, as a network may.
    pub(crate) fn send(&mut self, datagram: &[u8]) {
        match &mut self.messenger {
            Messenger::Udp(socket) => {
                if let Err(error) = socket.try_send(datagram) {
                    tracing::trace!(%error, "a datagram was dropped");
                }
            }
            Messenger::Agent(datagrams) => datagrams.send(datagram),
        }
    }

    pub(crate) fn close(self) {
        if let Messenger::Agent(datagrams) = self.messenger {
            datagrams.close(Why::Ended);
        }
    }
}
