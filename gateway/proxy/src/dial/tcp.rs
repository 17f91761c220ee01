//! Dials TCP ports.

use std::io;
use std::net::SocketAddr;

use doorward_model::{Host, Name};
use tokio::net::{TcpStream, lookup_host};

use super::{BackendStream, Bounds, ConnectedStream, DialError};

/// How many addresses of one host name are tried.
const TRIES: usize = 8;

/// Returns the addresses to try, in this order.
pub(super) async fn addresses(host: &Host, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(match host {
        Host::Address(ip) => vec![SocketAddr::new(*ip, port)],
        Host::Name(name) => lookup_host((name.as_str(), port)).await?.take(TRIES).collect(),
    })
}

pub(super) async fn dial(
    bounds: &Bounds,
    network: Option<&Name>,
    host: &Host,
    port: u16,
) -> Result<ConnectedStream, DialError> {
    let mut last = DialError::NoAddress(host.to_string());
    for address in addresses(host, port).await? {
        let checked = match bounds.check_in(network, address) {
            Ok(checked) => checked,
            Err(error) => {
                last = error;
                continue;
            }
        };
        #[expect(clippy::disallowed_methods, reason = "this is the dial, after a permit")]
        match TcpStream::connect(checked).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(ConnectedStream {
                    stream: BackendStream::Tcp(stream),
                    address: checked.to_string(),
                });
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}
