//! The gateway's connection to the backend of a flow of datagrams.

use std::io;
use std::task::{Context, Poll, ready};

use doorward_session::Tracked;
use doorward_wire::{FlowDatagrams, Why};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// The socket or flow that carries datagrams.
#[derive(Debug)]
pub(crate) enum Messenger {
    /// A socket that is connected to one address, so that it receives from no other.
    Udp(UdpSocket),
    /// A flow to an interface that a device offers.
    Agent(Box<FlowDatagrams>),
}

/// The gateway's connection to the backend of a flow of datagrams.
#[derive(Debug)]
pub(crate) struct Messages {
    messenger: Messenger,
    _tracked: Tracked,
}

impl Messages {
    pub(crate) fn new(messenger: Messenger, tracked: Tracked) -> Self {
        Self { messenger, _tracked: tracked }
    }

    /// Receives the next datagram. Returns `false` when the backend has ended the flow.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        match &mut self.messenger {
            Messenger::Udp(socket) => loop {
                match ready!(socket.poll_recv(cx, into)) {
                    Ok(()) => return Poll::Ready(Ok(true)),
                    // An ICMP message about an earlier datagram: the port was closed then.
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

    /// Sends a datagram, or drops it if it cannot be sent at once.
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
