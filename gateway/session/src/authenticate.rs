//! Handshakes: from a connection that has a place to one whose chain is verified.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::{Clock, PeerText};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::LazyConfigAcceptor;

use crate::accept::Accepted;
use crate::doors::{Doors, OwnNames, unix_time};
use crate::limits::Slot;
use crate::listener::Place;
use crate::secured::Secured;
use crate::trust::Trust;

/// Which door of the gateway a connection came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// An interface's host name, known or not, in lower case.
    Interface(String),
    /// The gateway's own name, or none.
    Own,
    /// The management listener.
    Management,
    /// `doorward/1`, over QUIC or TLS.
    Sdk,
}

/// A connection whose handshake is done and whose chain, if it showed one, has been verified
/// at the present against the anchors of the present, whether the session was resumed or not.
#[derive(Debug)]
#[must_use]
pub struct Authenticated {
    pub(crate) on: On,
    pub(crate) door: Door,
    pub(crate) leaf: Option<CertificateDer<'static>>,
    pub(crate) peer: SocketAddr,
    /// When the key of the certificate was last proven.
    pub(crate) proven: Timestamp,
    pub(crate) slot: Slot,
}

/// What an authenticated connection is made on.
#[derive(Debug)]
pub(crate) enum On {
    Tls(Box<Secured>),
    Quic(quinn::Connection),
}

/// Why a connection was not authenticated. The peer's doing, or the network's.
#[derive(Debug, Error)]
pub(crate) enum AuthenticationError {
    #[error("it took too long")]
    Slow,
    #[error("it lost its place to another connection")]
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
    /// The word under which it is counted.
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

/// What a door needs to authenticate.
pub(crate) struct Porter {
    pub(crate) trust: Trust,
    pub(crate) doors: Doors,
    pub(crate) names: Arc<OwnNames>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Porter {
    pub(crate) async fn authenticate(
        &self,
        accepted: Accepted,
        place: Place,
        patience: Duration,
    ) -> Result<Authenticated, AuthenticationError> {
        let Accepted { line, peer, mut slot } = accepted;
        let deadline = Instant::now() + patience;
        let mut hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), line);
        let heard = tokio::select! {
            biased;
            () = slot.lost() => return Err(AuthenticationError::Crowded),
            heard = timeout_at(deadline, &mut hello) => heard,
        };
        let hello = match heard {
            Ok(Ok(hello)) => hello,
            Ok(Err(error)) => {
                if let Some(mut line) = hello.take_io() {
                    line.alerted();
                }
                return Err(AuthenticationError::Handshake(error));
            }
            Err(_) => return Err(AuthenticationError::Slow),
        };
        let has_turn = timeout_at(deadline, slot.begin_handshake()).await;
        if !has_turn.map_err(|_| AuthenticationError::Slow)? {
            return Err(AuthenticationError::Crowded);
        }
        let (door, config) = self.doors.choose(place, &hello.client_hello(), &self.names);
        let now = self.clock.now();
        let handshake = hello.into_stream_with(config, |connection| {
            // The hello has been read by now: a resumed session stays as old as it is.
            let since = connection.received_resumption_data().map(<[u8]>::to_vec);
            let since = since.unwrap_or_else(|| now.as_second().to_be_bytes().to_vec());
            connection.set_resumption_data(&since);
        });
        let shaken = tokio::select! {
            biased;
            () = slot.lost() => return Err(AuthenticationError::Crowded),
            shaken = timeout_at(deadline, handshake.into_fallible()) => shaken,
        };
        let mut stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, mut line))) => {
                line.alerted();
                return Err(AuthenticationError::Handshake(error));
            }
            Err(_) => return Err(AuthenticationError::Slow),
        };
        slot.end_handshake();

        // A resumed session was proven when its first ticket was made, not now.
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
            None if matches!(door, Door::Interface(_) | Door::Sdk) => {
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
        let on = On::Tls(Box::new(Secured::new(stream)));
        Ok(Authenticated { on, door, leaf, peer, proven, slot })
    }
}

impl Porter {
    /// The same for a QUIC connection that was let in.
    pub(crate) async fn authenticate_quic(
        &self,
        connecting: quinn::Connecting,
        peer: SocketAddr,
        mut slot: Slot,
        patience: Duration,
    ) -> Result<Authenticated, AuthenticationError> {
        let shaken = tokio::select! {
            biased;
            () = slot.lost() => return Err(AuthenticationError::Crowded),
            shaken = timeout(patience, connecting) => {
                shaken.map_err(|_| AuthenticationError::Slow)??
            }
        };
        slot.end_handshake();
        let proven = self.clock.now();
        let chain = shaken.peer_identity();
        let chain = chain.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        let chain = chain.unwrap_or_default();
        let (leaf, above) = chain.split_first().ok_or(AuthenticationError::NoCertificate)?;
        let at = unix_time(&*self.clock);
        let verified = self.trust.verifier.verify_client_cert(leaf, above, at);
        verified.map_err(AuthenticationError::Chain)?;
        let (leaf, on) = (Some(leaf.clone()), On::Quic(shaken));
        Ok(Authenticated { on, door: Door::Sdk, leaf, peer, proven, slot })
    }
}

impl Authenticated {
    /// The host name that was asked for, as it may be shown and kept.
    pub(crate) fn host(&self) -> Option<PeerText> {
        match &self.door {
            Door::Interface(host) => Some(PeerText::new(host)),
            Door::Own | Door::Management | Door::Sdk => None,
        }
    }
}
