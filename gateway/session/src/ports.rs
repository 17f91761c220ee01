//! The ports to the other crates: flows go to the proxy, every other request to the administration.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use doorward_model::{CertificateId, FlowId};
use doorward_policies::Party;
use doorward_wire::{Offering, Report};
use http::{Request, Response};
use jiff::Timestamp;

use crate::connection::Connection;
use crate::endpoint::ListenerKind;
use crate::http::{Body, Payload, Problem};
use crate::limits::Entrance;
use crate::link::{Link, OpenRequest};
use crate::pot::Rank;
use crate::wire::Wire;

/// Who made a request, and at which listener.
#[derive(Debug)]
pub struct Visit {
    /// The listener.
    pub listener: ListenerKind,
    /// The visitor's session at this connection, if the visitor has proven an identity.
    pub connection: Option<Arc<Connection>>,
    /// The address of the visitor.
    pub peer: SocketAddr,
    pub(crate) entrance: Arc<Entrance>,
    /// A secret that only both ends of this connection can derive (RFC 8446 section 7.5). A
    /// recovery signs it.
    pub exported: Option<[u8; 32]>,
}

impl Visit {
    /// Returns the visitor as a party of records and pots.
    #[must_use]
    pub fn party(&self) -> Party {
        let stranger = || Party::stranger(self.peer.ip());
        self.connection.as_ref().map_or_else(stranger, |one| one.session().party())
    }

    /// Takes a reservation from a pot, by the visitor's rank.
    pub(crate) fn take<T>(&self, take: impl Fn(Rank) -> Option<T>) -> Option<T> {
        match &self.connection {
            Some(connection) => connection.take(take),
            None => take(Rank::Anyone),
        }
    }

    /// Waits for the turn of a request that carries its own proof, such as a code. Returns `false`
    /// if that takes too long. For a visitor without an identity this returns at once: every
    /// request of such a visitor has waited already.
    #[must_use]
    pub async fn may_ask_unproven(&self) -> bool {
        self.connection.is_none() || self.entrance.admits_request(self.peer.ip()).await
    }
}

/// The port for flows. The proxy implements it.
pub trait Flows: Send + Sync {
    /// Serves the flow of a session that came to the host name of an interface. The interface need
    /// not exist. The future lasts as long as the flow.
    fn interface(
        &self,
        connection: Arc<Connection>,
        id: FlowId,
        host: String,
        wire: Box<dyn Wire>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Serves the flow of a visitor that asks for `authority` by CONNECT. The future lasts as long
    /// as the flow.
    fn tunnel(
        &self,
        visit: Arc<Visit>,
        id: FlowId,
        authority: String,
        tunnel: Box<dyn Tunnel>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Serves the flow of a session that asks for an interface on a stream of `doorward/1`. The
    /// future lasts as long as the flow.
    fn open(
        &self,
        connection: Arc<Connection>,
        id: FlowId,
        request: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Replaces what the link's device offers by these interfaces. Returns the interfaces that are
    /// not accepted, by name, with the reason.
    fn offered(&self, link: &Arc<Link>, offers: Vec<Offering>) -> BTreeMap<String, String>;

    /// Removes everything that the link's device offers: the connection has ended.
    fn link_closed(&self, link: &Arc<Link>);
}

/// A CONNECT that waits for its answer.
pub trait Tunnel: Send {
    /// Refuses the tunnel.
    fn refuse(self: Box<Self>, problem: Problem);

    /// Grants the tunnel, and returns the client's end of it.
    fn open(self: Box<Self>) -> TunnelOpening;
}

/// Resolves to the client's end of a tunnel.
pub type TunnelOpening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Wire>>> + Send>>;

/// The port for every other request. The administration implements it.
pub trait Front: Send + Sync {
    /// Answers a request.
    fn answer(
        &self,
        visit: Arc<Visit>,
        id: FlowId,
        request: Request<Body>,
    ) -> Pin<Box<dyn Future<Output = Response<Payload>> + Send>>;

    /// Issues one more certificate to the holder of a live one, for a PKCS #10 request in PEM.
    fn renew(
        &self,
        connection: &Arc<Connection>,
        id: FlowId,
        request: String,
    ) -> Pin<Box<dyn Future<Output = Result<RenewedCertificate, Problem>> + Send>>;

    /// Stores what a device reports about itself.
    fn posture(
        &self,
        connection: &Arc<Connection>,
        report: Report,
    ) -> Pin<Box<dyn Future<Output = Result<(), Problem>> + Send>>;
}

/// A certificate that was issued to the holder of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewedCertificate {
    /// The certificate's id.
    pub id: CertificateId,
    /// When the certificate expires.
    pub not_after: Timestamp,
    /// The certificate, then the issuing authority, in PEM.
    pub certificate: String,
    /// The trust anchors, in PEM.
    pub anchors: String,
}
