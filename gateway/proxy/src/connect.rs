//! The doors of flows: an interface's own name, and CONNECT.

use std::pin::Pin;
use std::sync::Arc;

use doorward_model::{Clock, Domain, FlowId, PeerText};
use doorward_policies::Journal;
use doorward_session::{Flows, Leases, Problem, Refusals, Session, Tunnel, Visit, Wire};

use crate::dial::{DialError, Dialer};
use crate::pipeline::{
    Authority, NotDialed, Opened, RefusedFlow, Requested, Via, authorize, dial, open, record,
    refuse, relay,
};

/// What takes flows on their path.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    domain: Domain,
    leases: Leases,
    dialer: Dialer,
    journal: Arc<dyn Journal>,
    refusals: Refusals,
    clock: Arc<dyn Clock>,
}

impl Proxy {
    /// A proxy for the interfaces of `domain`.
    #[must_use]
    pub fn new(
        domain: Domain,
        leases: Leases,
        dialer: Dialer,
        journal: Arc<dyn Journal>,
        refusals: Refusals,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner { domain, leases, dialer, journal, refusals, clock }))
    }
}

/// Why a flow does not happen, as far as its client may know.
enum Stop {
    Refused(Box<RefusedFlow>),
    NotRecorded,
    Cut,
    Unreachable(DialError),
}

impl Inner {
    /// Reads a host name as a door's. DNS decides nothing here: only the text counts.
    fn authority(&self, host: &str) -> Authority {
        match self.domain.read_door(host) {
            Some(door) => Authority::Door(door),
            None => Authority::Other(PeerText::new(host)),
        }
    }

    async fn open(&self, requested: Requested) -> Result<Opened, Stop> {
        let (authorized, via) = match authorize(&self.leases, requested) {
            Ok(authorized) => authorized,
            Err(refused) => {
                refuse(&*self.journal, &refused, self.clock.now()).await;
                return Err(Stop::Refused(refused));
            }
        };
        open(&*self.journal, authorized, via).await.map_err(|not_opened| {
            tracing::warn!(error = %not_opened.error, "a flow was refused: it cannot be recorded");
            Stop::NotRecorded
        })
    }

    async fn dial(&self, opened: Opened) -> Result<crate::pipeline::Dialed, Stop> {
        dial(&self.dialer, opened).await.map_err(|NotDialed { error, ended }| {
            record(ended);
            match error {
                Some(error) => {
                    tracing::info!(%error, "a backend was not reached");
                    Stop::Unreachable(error)
                }
                None => Stop::Cut,
            }
        })
    }

    async fn door(&self, session: Arc<Session>, id: FlowId, host: String, wire: Box<dyn Wire>) {
        let requested = Requested::new(session, id, self.authority(&host), Via::Sni);
        let dialed = match self.open(requested).await {
            Ok(opened) => self.dial(opened).await,
            Err(stop) => Err(stop),
        };
        match dialed {
            Ok(dialed) => record(relay(dialed, wire).await),
            // One thing on the wire, whatever the ground.
            Err(_) => wire.cut(),
        }
    }

    async fn tunnel(&self, visit: Arc<Visit>, id: FlowId, host: String, tunnel: Box<dyn Tunnel>) {
        let Some(session) = &visit.session else {
            self.refusals.count(visit.peer.ip(), "connect-without-identity");
            return tunnel.refuse(forbidden());
        };
        let authority = self.authority(&host);
        let requested = Requested::new(Arc::clone(session), id, authority, Via::Connect);
        let dialed = match self.open(requested).await {
            Ok(opened) => self.dial(opened).await,
            Err(stop) => Err(stop),
        };
        match dialed {
            Ok(dialed) => match tunnel.open().await {
                Ok(wire) => record(relay(dialed, wire).await),
                Err(_) => record(dialed.give_up()),
            },
            Err(stop) => tunnel.refuse(stop.problem()),
        }
    }
}

/// The one answer to whoever may not, whatever the ground.
fn forbidden() -> Problem {
    let detail = "No such interface, or no right to reach it. For whoever has shown an identity, \
                  the administrator finds the reason in the audit log under the id in \
                  Doorward-Request-Id.";
    Problem::new(403, "Forbidden", detail)
}

impl Stop {
    fn problem(&self) -> Problem {
        match self {
            Self::Refused(refused) if refused.is_busy() => {
                Problem::new(503, "Busy", "Too many flows at once. Try again in a moment.")
            }
            Self::Refused(_) | Self::Cut => forbidden(),
            Self::NotRecorded => Problem::new(
                503,
                "Not recorded",
                "The gateway cannot record this flow, so it does not open it. Try again later.",
            ),
            Self::Unreachable(DialError::Slow) => {
                Problem::new(504, "No answer", "The interface did not answer in time.")
            }
            Self::Unreachable(_) => {
                Problem::new(502, "Unreachable", "The interface could not be reached.")
            }
        }
    }
}

impl Flows for Proxy {
    fn door(
        &self,
        session: Arc<Session>,
        id: FlowId,
        host: String,
        wire: Box<dyn Wire>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.door(session, id, host, wire).await })
    }

    fn tunnel(
        &self,
        visit: Arc<Visit>,
        id: FlowId,
        authority: String,
        tunnel: Box<dyn Tunnel>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.tunnel(visit, id, authority, tunnel).await })
    }
}
