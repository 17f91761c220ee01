//! A connection to an interface by its own name, without `doorward/1`.

use doorward_model::DoorName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::Error;
use crate::identity::Identity;
use crate::link::{Credentials, open};

/// A connection to an interface by the interface's own name, without `doorward/1`.
///
/// Its end without TLS's close_notify is an error when it is read: what was cut is never taken
/// for complete. Shutting it down passes the end of one direction on.
pub type ByName = TlsStream<TcpStream>;

/// Opens the interface `door` through the gateway of `identity`, by the interface's own name.
///
/// The gateway decides after the handshake: a refusal shows as a reset on the first read.
///
/// # Errors
/// When the gateway is not reached, is another, or refuses the identity.
pub async fn connect(identity: &Identity, door: &DoorName) -> Result<ByName, Error> {
    let facts = identity.gateway();
    let name = facts.domain.door(door);
    open(&facts.url, Some(&name), &Credentials::Identity(identity), &[]).await
}
