//! Takes a connection through its stages, and hands it to what serves its endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use doorward_model::Prefix;
use doorward_policies::Door;
use doorward_wire::{Carrier, LinkEnd, RECOVERY, Why};
use jiff::Timestamp;
use rustls::ProtocolVersion;

use crate::accept::Accepted;
use crate::authenticate::{Authenticated, AuthenticatedTransport, Authenticator};
use crate::connection::Connection;
use crate::endpoint::{ConnectionTarget, ListenerKind};
use crate::http;
use crate::identify::{VerifiedIdentity, identify};
use crate::link;
use crate::secured::Secured;
use crate::serving::Serving;
use crate::visit::Visit;
use crate::wire::TlsWire;

impl Serving {
    /// Serves one TCP connection from its handshake to its end.
    pub(crate) async fn connection(
        self: Arc<Self>,
        authenticator: Arc<Authenticator>,
        accepted: Accepted,
        listener: ListenerKind,
    ) {
        let peer = accepted.peer.ip();
        let patience = self.entrance(listener).patience;
        let authenticated = match authenticator.authenticate(accepted, listener, patience).await {
            Ok(authenticated) => authenticated,
            Err(error) => {
                tracing::debug!(by = %Prefix::of(peer), %peer, %error, "not authenticated");
                return self.refusals.count(peer, error.as_str());
            }
        };
        self.authenticated(&authenticator, authenticated, listener).await;
    }

    /// Opens the session of an identified connection, and returns the connection. From then on the connection's file counts
    /// against the subject's share, no longer against the share of its network.
    ///
    /// # Errors
    /// The word for which share the subject has used up.
    fn open(
        &self,
        identity: VerifiedIdentity,
        transport: &mut AuthenticatedTransport,
        (peer, door, proven): (SocketAddr, Door, Timestamp),
    ) -> Result<Connection, &'static str> {
        let opened = self.leases.open(identity, (peer, door), proven);
        let session = Arc::new(opened.ok_or("too-many-sessions")?);
        let connection = Connection::new(session, peer, door);
        match transport {
            AuthenticatedTransport::Quic(_) => {}
            AuthenticatedTransport::Tls(stream) => {
                stream.tcp().belongs_to(connection.files(1).ok_or("too-many-files")?);
            }
        }
        Ok(connection)
    }

    /// Serves a link in a task of its own. The handshake's task is many times as large, and an
    /// idle link would keep it.
    fn link(self: Arc<Self>, carrier: Carrier, connection: &Arc<Connection>) {
        let tasks = self.tasks.clone();
        tasks.spawn(link::serve(carrier, Arc::clone(connection), self));
    }

    /// Identifies the peer of an authenticated connection, and serves the connection until its
    /// end, or spawns the task that does.
    pub(crate) async fn authenticated(
        self: Arc<Self>,
        authenticator: &Authenticator,
        authenticated: Authenticated,
        listener: ListenerKind,
    ) {
        let shown_host = authenticated.host();
        let door = authenticated.door();
        let Authenticated { mut transport, endpoint, leaf, peer, proven, slot } = authenticated;
        let mut slot = Some(slot);
        let (now, snapshot) = (self.clock().now(), self.leases.snapshot());
        let anchors = &authenticator.trust.anchors;
        let identity = leaf.map(|leaf| identify(&leaf, anchors, &snapshot, now));
        let connection = match identity {
            None => None,
            Some(Ok(identity)) => {
                match self.open(identity, &mut transport, (peer, door, proven)) {
                    Ok(connection) => {
                        slot.take().into_iter().for_each(|slot| slot.identified());
                        Some(Arc::new(connection))
                    }
                    // A subject that has used up its own share is disconnected here, so that it
                    // does not also use the share of connections without a session.
                    Err(why) => {
                        self.refusals.count(peer.ip(), why);
                        return match transport {
                            AuthenticatedTransport::Quic(connection) => refuse(&connection).await,
                            AuthenticatedTransport::Tls(stream) => drop(stream),
                        };
                    }
                }
            }
            Some(Err(error)) => {
                let by = Prefix::of(peer.ip());
                tracing::debug!(%by, %error, host = ?shown_host, "not identified");
                self.refusals.count(peer.ip(), error.as_str());
                None
            }
        };
        let stream = match (transport, &connection) {
            (AuthenticatedTransport::Quic(transport), Some(connection)) => {
                let carrier = Carrier::quic(transport);
                connection.may_move(carrier.clone());
                return self.link(carrier, connection);
            }
            (AuthenticatedTransport::Quic(connection), None) => {
                return refuse(&connection).await;
            }
            (AuthenticatedTransport::Tls(stream), _) => *stream,
        };
        match (endpoint, connection) {
            // The handshake is done, and the gateway sends no byte after it: a client does not
            // learn why it was refused.
            (ConnectionTarget::Interface(_) | ConnectionTarget::Link, None) => drop(stream),
            (ConnectionTarget::Link, Some(connection)) => {
                let admitted = Arc::downgrade(&connection);
                let admit =
                    move || Some(Box::new(admitted.upgrade()?.session().window()?) as Box<_>);
                let carrier = Carrier::yamux_admitting(stream, LinkEnd::Gateway, Box::new(admit));
                self.link(carrier, &connection);
            }
            (ConnectionTarget::Interface(host), Some(connection)) => {
                let wire = Box::new(TlsWire::new(Bytes::new(), stream));
                let id = self.leases.new_flow_id();
                self.flows.interface(connection, id, host, wire).await;
            }
            (ConnectionTarget::Own | ConnectionTarget::Management, connection) => {
                let exported = export(&stream);
                let entrance = Arc::clone(self.entrance(listener));
                let visit = Visit { listener, connection, peer, entrance, exported };
                let served = http::serve(stream, visit, self);
                match slot {
                    // A visitor without an identity keeps its slot until its connection ends, or
                    // another connection needs the slot.
                    Some(slot) => tokio::select! {
                        () = served => {}
                        () = slot.lost() => {}
                    },
                    None => served.await,
                }
            }
        }
    }
}

/// Returns the keying material that a recovery signs. `None` before TLS 1.3: there the material
/// is not bound to the handshake (RFC 7627).
fn export(stream: &Secured) -> Option<[u8; 32]> {
    let connection = stream.session();
    let bound = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    let exported = || connection.export_keying_material([0; 32], RECOVERY, None).ok();
    bound.then(exported).flatten()
}

/// Closes a QUIC connection without an identity: with a code, and no reason.
async fn refuse(connection: &quinn::Connection) {
    let code = quinn::VarInt::from_u64(Why::Ended.code()).unwrap_or_default();
    connection.close(code, b"");
    connection.closed().await;
}
