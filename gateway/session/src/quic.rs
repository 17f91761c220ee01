use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use aws_lc_rs::rand;
use doorward_wire::{Side, transport};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime};

use crate::authenticate::Porter;
use crate::doors::sdk;
use crate::listener::{Place, Serving};
use crate::trust::Trust;

/// Connections that wait to be let in. Beyond, the system's own buffer drops.
const WAITING: usize = 1024;
/// Bytes of one such connection that are kept, and of all.
const KEPT: u64 = 16 * 1024;
const KEPT_IN_TOTAL: u64 = 8 * 1024 * 1024;

/// The UDP port at which `doorward/1` is spoken over QUIC.
#[derive(Debug)]
pub struct QuicListener {
    endpoint: Endpoint,
}

impl QuicListener {
    /// Listens at `address`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the address is in use or not ours.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        // The key of stateless resets (RFC 9000 section 10.3) lives as long as the process.
        let mut reset_key = [0; 64];
        rand::fill(&mut reset_key).map_err(io::Error::other)?;
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &reset_key);
        let config = EndpointConfig::new(Arc::new(key));
        let endpoint = Endpoint::new(config, None, socket, Arc::new(TokioRuntime))?;
        Ok(Self { endpoint })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// Takes connections until the gateway drains; those that stand go on.
    ///
    /// # Errors
    /// When the TLS library refuses what the gateway shows.
    pub async fn serve(self, serving: Arc<Serving>) -> Result<(), rustls::Error> {
        let mut trust = serving.trust();
        let first = trust.borrow_and_update().clone();
        let mut porter = Arc::new(serving.porter(&first)?);
        self.endpoint.set_server_config(Some(config(&first, &serving)?));
        loop {
            let incoming = tokio::select! {
                biased;
                () = serving.draining() => break,
                Ok(()) = trust.changed() => {
                    let changed = trust.borrow_and_update().clone();
                    match (serving.porter(&changed), config(&changed, &serving)) {
                        (Ok(new), Ok(config)) => {
                            porter = Arc::new(new);
                            self.endpoint.set_server_config(Some(config));
                        }
                        (Err(error), _) | (_, Err(error)) => {
                            tracing::error!(%error, "the former certificates stay in use");
                        }
                    }
                    continue;
                }
                incoming = self.endpoint.accept() => incoming,
            };
            match incoming {
                Some(incoming) => take(&serving, &porter, incoming),
                None => break,
            }
        }
        self.endpoint.set_server_config(None);
        // The endpoint is driven as long as a connection of it lives.
        Ok(())
    }
}

fn config(trust: &Trust, serving: &Serving) -> Result<ServerConfig, rustls::Error> {
    let tls = sdk(trust, serving.tls())?;
    let crypto = QuicServerConfig::try_from(tls)
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport(Side::Gateway)))
        .max_incoming(WAITING)
        .incoming_buffer_size(KEPT)
        .incoming_buffer_size_total(KEPT_IN_TOTAL)
        .migration(true);
    Ok(config)
}

fn take(serving: &Arc<Serving>, porter: &Arc<Porter>, incoming: Incoming) {
    let peer = incoming.remote_address();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let limiter = serving.limiter(Place::Data);
    if !incoming.remote_address_validated() && limiter.is_pressed() {
        // It cannot fail for an address that has not been validated.
        drop(incoming.retry());
        return;
    }
    let Some(mut slot) = limiter.enter(peer.ip()) else {
        serving.refusals.count(peer.ip(), "too-many-connections");
        return incoming.ignore();
    };
    let (serving, porter) = (Arc::clone(serving), Arc::clone(porter));
    let tasks = serving.tasks.clone();
    tasks.spawn(async move {
        let patience = serving.limiter(Place::Data).limits().handshake_time;
        let begun = tokio::time::timeout(patience, slot.begin_handshake()).await;
        if begun.is_err() {
            serving.refusals.count(peer.ip(), "handshake-timeout");
            return incoming.ignore();
        }
        let authenticated = match incoming.accept() {
            Ok(connecting) => porter.authenticate_quic(connecting, peer, slot, patience).await,
            Err(error) => Err(error.into()),
        };
        match authenticated {
            Ok(authenticated) => serving.authenticated(&porter, authenticated, Place::Data).await,
            Err(error) => {
                tracing::debug!(peer = %peer.ip(), %error, "not authenticated");
                serving.refusals.count(peer.ip(), error.as_str());
            }
        }
    });
}
