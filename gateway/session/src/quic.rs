//! The UDP listener: `doorward/1` over QUIC.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use doorward_model::Prefix;
use doorward_wire::{LinkEnd, transport};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime};
use quinn_proto::RandomConnectionIdGenerator;

use crate::authenticate::Authenticator;
use crate::endpoint::ListenerKind;
use crate::serving::Serving;
use crate::tls::link_config;
use crate::trust::Trust;

/// The most connections that wait to be accepted. Beyond that, the system's socket buffer drops
/// packets.
const WAITING: usize = 1024;
/// How many bytes of one waiting connection are buffered, and of all.
const KEPT: u64 = 16 * 1024;
const KEPT_IN_TOTAL: u64 = 8 * 1024 * 1024;
/// The length of a connection id in bytes, all of them random. So an id tells an observer nothing,
/// and nobody can request the resets of future ids.
const ID: usize = 8;
/// The shortest time between two resets. Each reset is smaller than the packet that it answers.
/// After a crash, ten thousand agents ask for one within 15 seconds.
const RESETS: Duration = Duration::from_millis(1);

/// The UDP listener for `doorward/1` over QUIC.
#[derive(Debug)]
pub struct QuicListener {
    endpoint: Endpoint,
}

impl QuicListener {
    /// Listens at `socket`. Answers packets of unknown connections with resets (RFC 9000 section
    /// 10.3) by `reset_key`. If that is the key of a process that has crashed, the peers of that
    /// process accept the resets. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(socket: UdpSocket, reset_key: &[u8]) -> io::Result<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, reset_key);
        let mut config = EndpointConfig::new(Arc::new(key));
        config
            .cid_generator(|| Box::new(RandomConnectionIdGenerator::new(ID)))
            .min_reset_interval(RESETS);
        let endpoint = Endpoint::new(config, None, socket, Arc::new(TokioRuntime))?;
        Ok(Self { endpoint })
    }

    /// Accepts connections until the gateway drains. Open connections go on.
    ///
    /// # Errors
    /// When the TLS library refuses the gateway's certificates. Ours.
    pub async fn serve(self, serving: Arc<Serving>) -> Result<(), rustls::Error> {
        let mut trust = serving.trust();
        let first = trust.borrow_and_update().clone();
        let mut authenticator = Arc::new(serving.authenticator(&first)?);
        self.endpoint.set_server_config(Some(config(&first, &serving)?));
        loop {
            let incoming = tokio::select! {
                biased;
                () = serving.draining() => break,
                Ok(()) = trust.changed() => {
                    let changed = trust.borrow_and_update().clone();
                    match (serving.authenticator(&changed), config(&changed, &serving)) {
                        (Ok(new), Ok(config)) => {
                            authenticator = Arc::new(new);
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
                Some(incoming) => take(&serving, &authenticator, incoming),
                None => break,
            }
        }
        self.endpoint.set_server_config(None);
        // The endpoint's task runs as long as one of its connections lives.
        Ok(())
    }
}

fn config(trust: &Trust, serving: &Serving) -> Result<ServerConfig, rustls::Error> {
    let tls = link_config(trust, serving.tls())?;
    let crypto = QuicServerConfig::try_from(tls)
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport(LinkEnd::Gateway)))
        .max_incoming(WAITING)
        .incoming_buffer_size(KEPT)
        .incoming_buffer_size_total(KEPT_IN_TOTAL)
        .migration(true);
    Ok(config)
}

fn take(serving: &Arc<Serving>, authenticator: &Arc<Authenticator>, incoming: Incoming) {
    let peer = incoming.remote_address();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let entrance = serving.entrance(ListenerKind::Data);
    if !incoming.remote_address_validated() && entrance.is_pressed() {
        // This cannot fail for an address that has not been validated.
        drop(incoming.retry());
        return;
    }
    let Some(mut slot) = entrance.enter(peer.ip()) else {
        serving.refusals.count(peer.ip(), "too-many-connections");
        return incoming.ignore();
    };
    let (serving, authenticator) = (Arc::clone(serving), Arc::clone(authenticator));
    let tasks = serving.tasks.clone();
    tasks.spawn(async move {
        let patience = serving.entrance(ListenerKind::Data).patience;
        let begun = tokio::time::timeout(patience, slot.begin_handshake()).await;
        if !matches!(begun, Ok(true)) {
            let why = if begun.is_ok() { "place-lost" } else { "handshake-timeout" };
            serving.refusals.count(peer.ip(), why);
            return incoming.ignore();
        }
        let authenticated = match incoming.accept() {
            Ok(connecting) => {
                authenticator.authenticate_quic(connecting, peer, slot, patience).await
            }
            Err(error) => Err(error.into()),
        };
        match authenticated {
            Ok(authenticated) => {
                serving.authenticated(&authenticator, authenticated, ListenerKind::Data).await
            }
            Err(error) => {
                tracing::debug!(by = %Prefix::of(peer.ip()), %error, "not authenticated");
                serving.refusals.count(peer.ip(), error.as_str());
            }
        }
    });
}
