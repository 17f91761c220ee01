//! A connection to a TCP port near the device.

use std::io;

use doorward_model::Host;
use tokio::net::TcpStream;

use super::unavailable::Unavailable;
use crate::local_stream::LocalStream;

/// Connects to the first address that answers.
pub(super) async fn dial(host: &Host, port: u16) -> Result<LocalStream, Unavailable> {
    let connected = match host {
        #[expect(clippy::disallowed_methods, reason = "dials the target of an offered interface")]
        Host::Address(address) => TcpStream::connect((*address, port)).await,
        #[expect(clippy::disallowed_methods, reason = "dials the target of an offered interface")]
        Host::Name(name) => TcpStream::connect((name.as_str(), port)).await,
    };
    let tcp = connected?;
    // Linux can connect a socket to itself, at a local port where nobody listens.
    if tcp.local_addr()? == tcp.peer_addr()? {
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
    }
    Ok(LocalStream::Tcp(tcp))
}
