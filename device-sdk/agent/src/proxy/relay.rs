//! UDP ASSOCIATE of SOCKS 5: relays datagrams of one client to several interfaces.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use doorward_wire::LARGEST_DATAGRAM;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use super::header::{self, DatagramTarget};
use super::owner;
use super::shared::{LocalProxy, local_failure};
use super::socks::SocksReply;
use crate::datagrams::{FlowTable, Sink};
use crate::failure::Failure;
use crate::local_stream::LocalStream;
use crate::opener::Boxed;

/// How many interfaces one client may send to at once.
const FLOWS: usize = 64;
/// How long a flow may be idle.
const IDLE: Duration = Duration::from_secs(2 * 60);
/// The size of the receive buffer: the largest datagram and a header.
const ROOM: usize = LARGEST_DATAGRAM + 300;

/// How many datagrams from other users' programs are tolerated before the client's first.
const OTHERS: usize = 256;

/// Relays a client's datagrams (UDP ASSOCIATE) until its connection ends. It accepts them from one
/// address: the client's IP address, and the port that the client named or first sent from.
///
/// The relay's port requires no token. If the client named no port, the first sender must therefore
/// be a program of the same user.
pub(super) async fn serve(
    mut control: LocalStream,
    port: u16,
    proxy: &LocalProxy,
) -> Result<(), Failure> {
    // A Unix socket gets no relay; the caller refuses it.
    let LocalStream::Tcp(tcp) = &control else { return Ok(()) };
    let (at, from) =
        (tcp.local_addr().map_err(local_failure)?, tcp.peer_addr().map_err(local_failure)?);
    let (own, client) = (at.ip(), from.ip());
    let user = owner::of_connection(from, at);
    let is_client = |sender| {
        let theirs = || user.is_some() && owner::of_sender(sender) == user;
        proxy.token.is_none() || theirs()
    };
    let failed = |error| Failure::Local { what: "a relay for datagrams".to_owned(), error };
    let socket = Arc::new(UdpSocket::bind((own, 0)).await.map_err(failed)?);
    let bound = socket.local_addr().map_err(failed)?;
    control.write_all(&SocksReply::Granted.encode(Some(bound))).await.map_err(local_failure)?;

    let peer = Arc::new(OnceLock::new());
    if port != 0 {
        peer.get_or_init(|| SocketAddr::new(client, port));
    }
    let back = Arc::new(ReplySender { socket: Arc::clone(&socket), peer: Arc::clone(&peer) });
    let mut table =
        FlowTable::new(Arc::clone(&proxy.opener), proxy.notices.clone(), back, IDLE, FLOWS);
    let (mut bytes, mut ignored) = (vec![0; ROOM], [0; 64]);
    let mut others = 0;
    loop {
        tokio::select! {
            // Data on this connection is ignored. Its end ends the relay.
            read = control.read(&mut ignored) => match read {
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => {}
            },
            received = socket.recv_from(&mut bytes) => match received {
                Ok((count, from)) => {
                    if from.ip() != client {
                        continue;
                    }
                    let datagram = bytes.get(..count).unwrap_or_default();
                    let Some((target, datagram)) = header::read(datagram) else { continue };
                    let Some(interface) = proxy.interface(&target.host) else { continue };
                    if peer.get().is_none() && !is_client(from) {
                        others += 1;
                        if others >= OTHERS {
                            return Ok(());
                        }
                        continue;
                    }
                    if *peer.get_or_init(|| from) == from {
                        table.send(&target, &interface, Bytes::copy_from_slice(datagram));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(failed(error)),
            },
        }
    }
}

/// Sends datagrams back to the client, each with the header of its source.
struct ReplySender {
    socket: Arc<UdpSocket>,
    peer: Arc<OnceLock<SocketAddr>>,
}

impl Sink<DatagramTarget> for ReplySender {
    fn deliver<'a>(
        &'a self,
        key: &'a DatagramTarget,
        datagram: &'a [u8],
    ) -> Boxed<'a, io::Result<()>> {
        Box::pin(async move {
            let (Some(whole), Some(peer)) = (header::write(key, datagram), self.peer.get()) else {
                return Ok(());
            };
            match self.socket.send_to(&whole, peer).await {
                // A closed port means that the client is about to end; a too large datagram is
                // lost.
                Err(error)
                    if error.kind() != io::ErrorKind::ConnectionRefused
                        && error.raw_os_error()
                            != Some(rustix::io::Errno::MSGSIZE.raw_os_error()) =>
                {
                    Err(error)
                }
                _ => Ok(()),
            }
        })
    }
}
