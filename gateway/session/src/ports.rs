use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use doorward_model::FlowId;
use http::{Request, Response};

use crate::http::{Body, Payload, Problem};
use crate::listener::Place;
use crate::session::Session;
use crate::wire::Wire;

/// Who made a request, and where.
#[derive(Debug)]
pub struct Visit {
    /// At which listener.
    pub place: Place,
    /// The session, if the visitor has proven an identity.
    pub session: Option<Arc<Session>>,
    /// Where the visitor comes from.
    pub peer: SocketAddr,
}

/// Where flows go: filled by the proxy.
pub trait Flows: Send + Sync {
    /// A session came to the door of the interface of that host name, known or not. The answer
    /// is the flow's whole life.
    fn door(
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
}

/// A CONNECT that waits for its answer.
pub trait Tunnel: Send {
    /// Refuses it.
    fn refuse(self: Box<Self>, problem: Problem);

    /// Grants it, and answers with the client's end of the tunnel.
    fn open(self: Box<Self>) -> Opened;
}

/// Answers with the client's end of a tunnel.
pub type Opened = Pin<Box<dyn Future<Output = io::Result<Box<dyn Wire>>> + Send>>;

/// Where every other request goes: filled by the administration.
pub trait Front: Send + Sync {
    /// Answers a request.
    fn answer(
        &self,
        visit: Arc<Visit>,
        id: FlowId,
        request: Request<Body>,
    ) -> Pin<Box<dyn Future<Output = Response<Payload>> + Send>>;
}
