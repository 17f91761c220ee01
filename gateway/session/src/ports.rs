//! The ports to the other crates: flows go to the proxy, every other request to the administration.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use doorward_model::FlowId;
use doorward_wire::{Offering, Report};
use http::{Request, Response};

use crate::connection::Connection;
use crate::http::{Body, Payload, Problem};
use crate::link::{Link, OpenRequest, RenewedCertificate};
use crate::visit::Visit;
use crate::wire::Wire;

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
