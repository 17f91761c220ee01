//! Datagrams to a UDP port near the device.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use doorward_model::Host;
use doorward_wire::{FlowDatagrams, LARGEST_DATAGRAM};
use tokio::net::UdpSocket;

use super::unavailable::Unavailable;
use crate::datagrams::{self, LocalDatagrams};
use crate::failure::Failure;

/// How long a flow may be idle.
pub(super) const IDLE: Duration = Duration::from_secs(5 * 60);

/// Returns a socket that sends to the first address of `host` and receives only from it.
pub(super) async fn dial(host: &Host, port: u16) -> Result<UdpSocket, Unavailable> {
    let address = match host {
        Host::Address(address) => SocketAddr::from((*address, port)),
        Host::Name(name) => {
            let mut found = tokio::net::lookup_host((name.as_str(), port)).await?;
            found.next().ok_or(io::ErrorKind::NotFound).map_err(io::Error::from)?
        }
    };
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    #[expect(clippy::disallowed_methods, reason = "dials the target of an offered interface")]
    socket.connect(address).await?;
    Ok(socket)
}

/// Carries a flow of datagrams to the socket and back.
pub(super) async fn carry(
    flow: FlowDatagrams,
    socket: UdpSocket,
    idle: Duration,
) -> Result<(), Failure> {
    let mut end = Socket { socket, bytes: vec![0; LARGEST_DATAGRAM] };
    datagrams::carry(Box::new(flow), &mut end, idle, Duration::ZERO).await
}

struct Socket {
    socket: UdpSocket,
    bytes: Vec<u8>,
}

/// Ignores errors that concern one datagram only: a closed port may open again, and only the
/// datagram that is too large is lost.
fn lost(error: io::Error) -> io::Result<()> {
    let passes = matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    );
    let too_large = error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error());
    if passes || too_large { Ok(()) } else { Err(error) }
}

impl LocalDatagrams for Socket {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.socket.recv(&mut self.bytes).await {
                Ok(count) => {
                    let datagram = self.bytes.get(..count).unwrap_or_default();
                    return Ok(Some(Bytes::copy_from_slice(datagram)));
                }
                Err(error) => lost(error)?,
            }
        }
    }

    async fn deliver(&mut self, datagram: &[u8]) -> io::Result<()> {
        match self.socket.send(datagram).await {
            Ok(_) => Ok(()),
            Err(error) => lost(error),
        }
    }
}
