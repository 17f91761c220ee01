//! Connections to an interface by its host name, without `doorward/1`.

use doorward_model::DoorName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::Error;
use crate::identity::Identity;
use crate::link::{Credentials, open};

/// A connection to an interface by the interface's host name, without `doorward/1`.
///
/// A read fails at an end without TLS's close_notify, so a flow that was cut never looks complete.
/// A shutdown ends one direction, and the gateway passes that end on.
pub type ByName = TlsStream<TcpStream>;

/// Opens the interface `door` through the gateway of `identity`, by the interface's host name.
///
/// The gateway decides after the handshake. A refusal is a reset at the first read.
///
/// # Errors
/// Fails when the gateway is not reached, is another one, or refuses the identity.
pub async fn connect(identity: &Identity, door: &DoorName) -> Result<ByName, Error> {
    let facts = identity.gateway();
    let name = facts.domain.door(door);
    open(&facts.url, Some(&name), &Credentials::Identity(identity), &[]).await
}
