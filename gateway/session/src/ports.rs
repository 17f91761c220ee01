//! What is handed on at the doors: flows to the proxy, every other request to the administration.

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

use crate::endpoint::ListenerKind;
use crate::http::{Body, Payload, Problem};
use crate::limits::Entrance;
use crate::link::{Link, OpenRequest};
use crate::pot::Rank;
use crate::session::Session;
use crate::wire::Wire;

/// Who made a request, and where.
#[derive(Debug)]
pub struct Visit {
    /// At which listener.
    pub listener: ListenerKind,
    /// The session, if the visitor has proven an identity.
    pub session: Option<Arc<Session>>,
    /// Where the visitor comes from.
    pub peer: SocketAddr,
    pub(crate) entrance: Arc<Entrance>,
    /// What both ends of this connection can derive and nobody else (RFC 8446 section 7.5), for
    /// whoever comes back by an expired certificate's key.
    pub exported: Option<[u8; 32]>,
}

impl Visit {
    /// The party that the visitor is, in records and pots.
    #[must_use]
    pub fn party(&self) -> Party {
        self.session.as_ref().map_or_else(|| Party::stranger(self.peer.ip()), |one| one.party())
    }

    /// Takes places of a pot, by the rank that the visitor has.
    pub(crate) fn take<T>(&self, take: impl Fn(Rank) -> Option<T>) -> Option<T> {
        match &self.session {
            Some(session) => session.take(take),
            None => take(Rank::Anyone),
        }
    }

    /// Whether one more request may be made that carries its own proof, such as a code. For a
    /// visitor without an identity this was asked when the request came: all of its are such.
    #[must_use]
    pub async fn may_ask_unproven(&self) -> bool {
        self.session.is_none() || self.entrance.admits_request(self.peer.ip()).await
    }
}

/// Where flows go: filled by the proxy.
pub trait Flows: Send + Sync {
    /// A session came to the door of the interface of that host name, known or not. The answer
    /// is the flow's whole life.
    fn interface(
        &self,
        session: Arc<Session>,
        id: FlowId,
        host: String,
        wire: Box<dyn Wire>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// A visitor asks by CONNECT for what `authority` names. The answer is the flow's whole
    /// life.
    fn tunnel(
        &self,
        visit: Arc<Visit>,
        id: FlowId,
        authority: String,
        tunnel: Box<dyn Tunnel>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// A session asks for an interface by a stream of `doorward/1`. The answer is the flow's
    /// whole life.
    fn open(
        &self,
        session: Arc<Session>,
        id: FlowId,
        request: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// A session offers these interfaces of its device, in the place of those that it offered
    /// before. Answers what is not taken, by name, and why.
    fn offered(&self, link: &Arc<Link>, offers: Vec<Offering>) -> BTreeMap<String, String>;

    /// A connection is over; what it offered is gone.
    fn parted(&self, link: &Arc<Link>);
}

/// A CONNECT that waits for its answer.
pub trait Tunnel: Send {
    /// Refuses it.
    fn refuse(self: Box<Self>, problem: Problem);

    /// Grants it, and answers with the client's end of the tunnel.
    fn open(self: Box<Self>) -> TunnelOpening;
}

/// Answers with the client's end of a tunnel.
pub type TunnelOpening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Wire>>> + Send>>;

/// Where every other request goes: filled by the administration.
pub trait Front: Send + Sync {
    /// Answers a request.
    fn answer(
        &self,
        visit: Arc<Visit>,
        id: FlowId,
        request: Request<Body>,
    ) -> Pin<Box<dyn Future<Output = Response<Payload>> + Send>>;

    /// Issues one more certificate to the holder of a live one, for a PKCS #10 request, PEM.
    fn renew(
        &self,
        session: &Arc<Session>,
        id: FlowId,
        request: String,
    ) -> Pin<Box<dyn Future<Output = Result<Renewal, Problem>> + Send>>;

    /// Notes what a device reports about itself.
    fn posture(
        &self,
        session: &Arc<Session>,
        report: Report,
    ) -> Pin<Box<dyn Future<Output = Result<(), Problem>> + Send>>;
}

/// A certificate that was issued to the holder of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// What it is known by.
    pub id: CertificateId,
    /// When it ends.
    pub not_after: Timestamp,
    /// It, then the issuing authority, PEM.
    pub certificate: String,
    /// The trust anchors, PEM.
    pub anchors: String,
}
