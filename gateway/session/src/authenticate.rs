//! Handshakes: from an accepted connection to one whose certificate chain is verified.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::{Clock, PeerText};
use doorward_policies::Door;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;

use crate::accept::Accepted;
use crate::endpoint::{ConnectionTarget, ListenerKind};
use crate::limits::EntranceSlot;
use crate::secured::Secured;
use crate::tls::{OwnNames, TlsConfigs, unix_time};
use crate::trust::Trust;

/// A connection whose handshake is done. If the peer showed a certificate chain, the chain has been
/// verified now, against the present anchors, whether the TLS session was resumed or not.
#[derive(Debug)]
#[must_use]
pub struct Authenticated {
    pub(crate) transport: AuthenticatedTransport,
    pub(crate) endpoint: ConnectionTarget,
    pub(crate) leaf: Option<CertificateDer<'static>>,
    pub(crate) peer: SocketAddr,
    /// When the peer last proved that it has the key of its certificate.
    pub(crate) proven: Timestamp,
    pub(crate) slot: EntranceSlot,
}

/// The transport of an authenticated connection.
#[derive(Debug)]
pub(crate) enum AuthenticatedTransport {
    Tls(Box<Secured>),
    Quic(quinn::Connection),
}

/// Why a connection was not authenticated. The peer's fault, or the network's.
#[derive(Debug, Error)]
pub(crate) enum AuthenticationError {
    #[error("the handshake took too long")]
    Slow,
    #[error("its slot was given to another connection")]
    Crowded,
    #[error("the handshake failed: {0}")]
    Handshake(io::Error),
    #[error("the chain does not verify: {0}")]
    Chain(rustls::Error),
    #[error("the connection failed: {0}")]
    Connection(#[from] quinn::ConnectionError),
    #[error("no certificate")]
    NoCertificate,
}

impl AuthenticationError {
    /// Returns the word under which the refusal is counted.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Slow => "handshake-timeout",
            Self::Crowded => "place-lost",
            Self::Handshake(_) | Self::Connection(_) => "handshake-failed",
            Self::Chain(_) => "chain-not-valid",
            Self::NoCertificate => "no-certificate",
        }
    }
}

/// Authenticates connections under one trust.
pub(crate) struct Authenticator {
    pub(crate) trust: Trust,
    pub(crate) configs: TlsConfigs,
    pub(crate) names: Arc<OwnNames>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// Does the TLS handshake of an accepted connection, within `patience`, and verifies the chain
    /// that the peer shows.
    pub(crate) async fn authenticate(
        &self,
        accepted: Accepted,
        listener: ListenerKind,
        patience: Duration,
    ) -> Result<Authenticated, AuthenticationError> {
        let Accepted { tcp, peer, mut slot } = accepted;
        let deadline = Instant::now() + patience;
        let mut hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp);
        let hello_read = tokio::select! {
            biased;
            () = slot.lost() => return Err(AuthenticationError::Crowded),
            read = timeout_at(deadline, &mut hello) => read,
        };
        let hello = match hello_read {
            Ok(Ok(hello)) => hello,
            Ok(Err(error)) => {
                if let Some(mut tcp) = hello.take_io() {
                    tcp.alerted();
                }
                return Err(AuthenticationError::Handshake(error));
            }
            Err(_) => return Err(AuthenticationError::Slow),
        };
        let has_turn = timeout_at(deadline, slot.begin_handshake()).await;
        if !has_turn.map_err(|_| AuthenticationError::Slow)? {
            return Err(AuthenticationError::Crowded);
        }
        let (endpoint, config) = self.configs.choose(listener, &hello.client_hello(), &self.names);
        let now = self.clock.now();
        let handshake = hello.into_stream_with(config, |connection| {
            // The ClientHello has been read. A resumed session keeps the time of its first
            // handshake, so a later ticket does not make it younger.
            let proven = connection.received_resumption_data().map(<[u8]>::to_vec);
            let proven = proven.unwrap_or_else(|| now.as_second().to_be_bytes().to_vec());
            connection.set_resumption_data(&proven);
        });
        let handshaken = tokio::select! {
            biased;
            () = slot.lost() => return Err(AuthenticationError::Crowded),
            done = timeout_at(deadline, handshake.into_fallible()) => done,
        };
        let mut stream = match handshaken {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, mut tcp))) => {
                tcp.alerted();
                return Err(AuthenticationError::Handshake(error));
            }
            Err(_) => return Err(AuthenticationError::Slow),
        };
        slot.end_handshake();

        // A resumed session proved its key when its first ticket was made, not now.
        let (_, connection) = stream.get_mut();
        let proven = match connection.received_resumption_data() {
            Some(data) => <[u8; 8]>::try_from(data)
                .ok()
                .and_then(|bytes| Timestamp::from_second(i64::from_be_bytes(bytes)).ok())
                .unwrap_or(Timestamp::MIN),
            None => now,
        };
        let chain = connection.peer_certificates().unwrap_or_default().to_vec();
        let leaf = match chain.split_first() {
            None if matches!(endpoint, ConnectionTarget::Interface(_) | ConnectionTarget::Link) => {
                return Err(AuthenticationError::NoCertificate);
            }
            None => None,
            Some((leaf, above)) => {
                let at = unix_time(&*self.clock);
                let verified = self.trust.verifier.verify_client_cert(leaf, above, at);
                verified.map_err(AuthenticationError::Chain)?;
                Some(leaf.clone())
            }
        };
        let transport = AuthenticatedTransport::Tls(Box::new(Secured::new(stream)));
        Ok(Authenticated { transport, endpoint, leaf, peer, proven, slot })
    }

    /// Does the same for a QUIC connection that holds a slot.
    pub(crate) async fn authenticate_quic(
        &self,
        connecting: quinn::Connecting,
        peer: SocketAddr,
        mut slot: EntranceSlot,
        patience: Duration,
    ) -> Result<Authenticated, AuthenticationError> {
        let handshaken = tokio::select! {
            biased;
            () = slot.lost() => return Err(AuthenticationError::Crowded),
            done = timeout(patience, connecting) => {
                done.map_err(|_| AuthenticationError::Slow)??
            }
        };
        slot.end_handshake();
        let proven = self.clock.now();
        let chain = handshaken.peer_identity();
        let chain = chain.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        let chain = chain.unwrap_or_default();
        let (leaf, above) = chain.split_first().ok_or(AuthenticationError::NoCertificate)?;
        let at = unix_time(&*self.clock);
        let verified = self.trust.verifier.verify_client_cert(leaf, above, at);
        verified.map_err(AuthenticationError::Chain)?;
        let (leaf, transport) = (Some(leaf.clone()), AuthenticatedTransport::Quic(handshaken));
        Ok(Authenticated { transport, endpoint: ConnectionTarget::Link, leaf, peer, proven, slot })
    }
}

impl Authenticated {
    /// Returns how the connection came in.
    pub(crate) fn door(&self) -> Door {
        match (&self.transport, &self.endpoint) {
            (AuthenticatedTransport::Quic(_), _) => Door::Quic,
            (AuthenticatedTransport::Tls(_), ConnectionTarget::Interface(_)) => Door::Sni,
            (AuthenticatedTransport::Tls(_), ConnectionTarget::Own) => Door::Own,
            (AuthenticatedTransport::Tls(_), ConnectionTarget::Management) => Door::Management,
            (AuthenticatedTransport::Tls(_), ConnectionTarget::Link) => Door::Tls,
        }
    }

    /// Returns the host name that the client asked for, fit to be shown and recorded.
    pub(crate) fn host(&self) -> Option<PeerText> {
        match &self.endpoint {
            ConnectionTarget::Interface(host) => Some(PeerText::new(host)),
            ConnectionTarget::Own | ConnectionTarget::Management | ConnectionTarget::Link => None,
        }
    }
}
