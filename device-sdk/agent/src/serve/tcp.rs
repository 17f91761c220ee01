//! A connection to a TCP port near the device.

use std::io;

use doorward_model::Host;
use tokio::net::TcpStream;

use super::Absent;
use crate::local::Local;

/// Connects to the first address that answers.
pub(super) async fn dial(host: &Host, port: u16) -> Result<Local, Absent> {
    let connected = match host {
        #[expect(clippy::disallowed_methods, reason = "a flow that was asked of this interface")]
        Host::Address(address) => TcpStream::connect((*address, port)).await,
        #[expect(clippy::disallowed_methods, reason = "a flow that was asked of this interface")]
        Host::Name(name) => TcpStream::connect((name.as_str(), port)).await,
    };
    let tcp = connected?;
    // Linux can connect a socket to itself, at a local port where nobody listens.
    if tcp.local_addr()? == tcp.peer_addr()? {
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
    }
    Ok(Local::Tcp(tcp))
}
