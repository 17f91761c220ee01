//! Dials UDP ports.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, ready};

use doorward_model::{Host, Name};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::messenger::Messenger;
use super::{Bounds, DialError, tcp};

/// A socket that is connected to one address, so that it receives from no other.
#[derive(Debug)]
pub(crate) struct ConnectedSocket(UdpSocket);

impl Messenger for ConnectedSocket {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        loop {
            match ready!(self.0.poll_recv(cx, into)) {
                Ok(()) => return Poll::Ready(Ok(true)),
                // An ICMP message about an earlier datagram: the port was closed then.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        if let Err(error) = self.0.try_send(datagram) {
            tracing::trace!(%error, "a datagram was dropped");
        }
    }

    fn close(self) {}
}

/// Returns a socket that is connected to the first address within the bounds, and that address.
pub(crate) async fn dial(
    bounds: &Bounds,
    network: Option<&Name>,
    host: &Host,
    port: u16,
) -> Result<(ConnectedSocket, String), DialError> {
    let mut last = DialError::NoAddress(host.to_string());
    for address in tcp::addresses(host, port).await? {
        let checked = match bounds.check_in(network, address) {
            Ok(checked) => checked,
            Err(error) => {
                last = error;
                continue;
            }
        };
        match connect(checked).await {
            Ok(socket) => return Ok((ConnectedSocket(socket), format!("udp://{checked}"))),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    #[expect(clippy::disallowed_methods, reason = "this is the dial, after a permit")]
    socket.connect(address).await?;
    // A socket drops what is sent without waiting until the runtime has seen that it is writable.
    socket.writable().await?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::super::Paths;
    use super::*;

    #[tokio::test]
    async fn the_first_datagram_is_sent() {
        let there = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = there.local_addr().unwrap();
        for _ in 0..100 {
            let socket = connect(at).await.unwrap();
            assert_eq!(socket.try_send(b"x").unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_socket_is_for_one_address_within_the_bounds() {
        let bounds = Bounds::within(&["127.0.0.0/8", "::1/128"], Paths::default());
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(peer) = UdpSocket::bind(local).await else { continue };
            let at = peer.local_addr().unwrap();
            let (ConnectedSocket(socket), shown) =
                dial(&bounds, None, &Host::Address(at.ip()), at.port()).await.unwrap();
            assert_eq!(shown, format!("udp://{at}"));
            socket.send(b"hello").await.unwrap();
            let mut bytes = [0; 16];
            let (length, from) = peer.recv_from(&mut bytes).await.unwrap();
            assert_eq!(bytes.get(..length), Some(&b"hello"[..]));
            assert_eq!(from, socket.local_addr().unwrap());
        }
        let outside = dial(&bounds, None, &"192.0.2.1".parse().unwrap(), 1).await;
        assert!(matches!(outside, Err(DialError::Forbidden { .. })));
        let private = "private".parse().unwrap();
        let elsewhere = dial(&bounds, Some(&private), &"127.0.0.1".parse().unwrap(), 1).await;
        assert!(matches!(elsewhere, Err(DialError::OtherNetwork { .. })));
    }
}
