//! The TCP listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::accept::Accepted;
use crate::authenticate::Authenticator;
use crate::endpoint::ListenerKind;
use crate::serving::Serving;

/// A listening TCP socket.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    kind: ListenerKind,
}

impl Listener {
    /// Listens at `address`.
    ///
    /// # Errors
    /// When the address is in use, or is not an address of this machine.
    pub async fn bind(address: SocketAddr, kind: ListenerKind) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, kind })
    }

    /// Returns the address at which it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Accepts connections until the gateway drains.
    ///
    /// # Errors
    /// When the TLS library refuses the gateway's certificates. Ours.
    pub async fn serve(self, serving: Arc<Serving>) -> Result<(), rustls::Error> {
        let mut trust = serving.trust();
        let first = trust.borrow_and_update().clone();
        let mut authenticator = Arc::new(serving.authenticator(&first)?);
        loop {
            let accepted = tokio::select! {
                biased;
                () = serving.draining() => return Ok(()),
                accepted = self.tcp.accept() => accepted,
            };
            if trust.has_changed().unwrap_or(false) {
                let changed = trust.borrow_and_update().clone();
                match serving.authenticator(&changed) {
                    Ok(changed) => authenticator = Arc::new(changed),
                    Err(error) => tracing::error!(%error, "the former certificates stay in use"),
                }
            }
            match accepted {
                Ok((tcp, peer)) => self.accept(&serving, &authenticator, tcp, peer),
                Err(error) => {
                    // Mostly the process is out of files. The connection stays in the system's
                    // queue.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn accept(
        &self,
        serving: &Arc<Serving>,
        authenticator: &Arc<Authenticator>,
        tcp: TcpStream,
        peer: SocketAddr,
    ) {
        match Accepted::new(tcp, peer, serving.leases.pots(), self.kind) {
            Ok(accepted) => {
                let authenticator = Arc::clone(authenticator);
                let connection = Arc::clone(serving).connection(authenticator, accepted, self.kind);
                serving.tasks.spawn(connection);
            }
            Err(why) => serving.refusals.count(peer.ip(), why),
        }
    }
}
