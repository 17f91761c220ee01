//! Takes flows through the pipeline: those that come by an interface's own name, by CONNECT, and by
//! a stream of `doorward/1`.

use std::collections::BTreeMap;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use doorward_model::{Action, DoorName, FlowId, PeerText};
use doorward_policies::{Event, Outcome, Record};
use doorward_session::{
    Connection, Flows, Leases, Link, OpenRequest, Problem, Refusals, Tunnel, Visit, Wire, note,
};
use doorward_wire::{FlowKind, Offering, Why};

use crate::dial::{DialError, Rivals};
use crate::pipeline::{
    Approach, Approached, ClientEnd, Dialed, Granted, Means, NamedInterface, NotBegun, RefusedFlow,
    Requested, Via, WantedFlow, approach, authorize, begin, inspect, record, refuse, relay,
};
use crate::problem::{busy, forbidden};

/// The proxy: serves flows from their request to their end.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    means: Means,
    refusals: Refusals,
}

impl Proxy {
    /// Returns a proxy that works with `means`.
    #[must_use]
    pub fn new(means: Means, refusals: Refusals) -> Self {
        Self(Arc::new(Inner { means, refusals }))
    }
}

/// A flow whose client can be told that it is open.
enum Ready {
    /// The backend is connected.
    Dialed(Box<Dialed>),
    /// The interface is inspected, so each operation is decided by itself.
    Approached(Box<Approached>),
}

/// A flow that the policy permits, before anything is dialed.
enum Permitted {
    /// The policy has decided the flow itself.
    Granted(Box<Granted>),
    /// The interface is inspected, so each operation is decided by itself.
    Approached(Box<Approached>),
}

/// Why a flow does not happen, as coarsely as its client may know.
enum Stop {
    Refused(Box<RefusedFlow>),
    NotBegun(NotBegun),
}

impl Inner {
    /// Reads a host name as the name of an interface. DNS plays no part.
    fn authority(&self, host: &str) -> NamedInterface {
        match self.means.domain.read_door(host) {
            Some(door) => NamedInterface::Door(door),
            None => NamedInterface::Other(PeerText::new(host)),
        }
    }

    /// Serves a flow that comes by the interface's own name.
    async fn interface(
        &self,
        connection: Arc<Connection>,
        id: FlowId,
        host: String,
        wire: Box<dyn Wire>,
    ) {
        let authority = self.authority(&host);
        let requested = Requested::new(connection, id, authority, Via::Sni, WantedFlow::stream());
        match self.ready(requested).await {
            Ok(Ready::Dialed(dialed)) => record(relay(*dialed, wire).await),
            Ok(Ready::Approached(approached)) => self.inspect(*approached, wire).await,
            // The client sees the same thing on the wire, whatever the reason.
            Err(_) => wire.cut(Why::Forbidden),
        }
    }

    /// Asks the policy, and records a refusal.
    async fn permitted(&self, requested: Requested) -> Result<Permitted, Stop> {
        match approach(&self.means.leases, requested) {
            Approach::Raw(requested) => match authorize(&self.means.leases, requested) {
                Ok(granted) => Ok(Permitted::Granted(Box::new(granted))),
                Err(refused) => {
                    refuse(&*self.means.journal, &refused, self.means.clock.now()).await;
                    Err(Stop::Refused(refused))
                }
            },
            Approach::Inspected(approached) if approached.is_of_another_kind() => {
                Err(Stop::NotBegun(NotBegun::NotReached(DialError::Kind(approached.kind()))))
            }
            Approach::Inspected(approached) => Ok(Permitted::Approached(Box::new(approached))),
        }
    }

    /// Takes a flow as far as it goes before the client is told that it is open.
    async fn ready(&self, requested: Requested) -> Result<Ready, Stop> {
        match self.permitted(requested).await? {
            Permitted::Granted(granted) => {
                let begun = begin(&self.means, *granted, ready(Ok(()))).await;
                begun.map(|dialed| Ready::Dialed(Box::new(dialed))).map_err(Stop::NotBegun)
            }
            Permitted::Approached(approached) => Ok(Ready::Approached(approached)),
        }
    }

    /// Answers whether a flow would be admitted. Dials nothing, and records refusals only.
    async fn answer(&self, requested: Requested, request: OpenRequest, flow: &str) {
        let wanted = requested.wanted_kind();
        let (kind, actions) = match self.permitted(requested).await {
            Ok(Permitted::Granted(granted)) => (granted.travels(), granted.actions()),
            Ok(Permitted::Approached(approached)) => (approached.kind(), approached.actions()),
            Err(stop) => return stop.tell(&self.means.leases, request, flow).await,
        };
        if wanted.is_some_and(|wanted| wanted != kind) {
            let other = Stop::NotBegun(NotBegun::NotReached(DialError::Kind(kind)));
            return other.tell(&self.means.leases, request, flow).await;
        }
        let actions: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
        request.affirm(kind, &actions).await;
    }

    async fn inspect(&self, approached: Approached, client: impl Into<ClientEnd>) {
        if let Some(ended) = inspect(&self.means, approached, client.into()).await {
            record(ended);
        }
    }

    /// Serves a flow that comes by CONNECT.
    async fn tunnel(&self, visit: Arc<Visit>, id: FlowId, host: String, tunnel: Box<dyn Tunnel>) {
        let Some(connection) = &visit.connection else {
            self.refusals.count(visit.peer.ip(), "connect-without-identity");
            return tunnel.refuse(forbidden());
        };
        let authority = self.authority(&host);
        let (connection, wanted) = (Arc::clone(connection), WantedFlow::stream());
        let requested = Requested::new(connection, id, authority, Via::Connect, wanted);
        match self.ready(requested).await {
            Ok(Ready::Dialed(dialed)) => match tunnel.open().await {
                Ok(wire) => record(relay(*dialed, wire).await),
                Err(_) => record(dialed.give_up()),
            },
            Ok(Ready::Approached(approached)) => {
                if let Ok(wire) = tunnel.open().await {
                    self.inspect(*approached, wire).await;
                }
            }
            Err(stop) => tunnel.refuse(stop.problem()),
        }
    }
}

impl Inner {
    /// Serves a flow that comes by a stream of `doorward/1`.
    async fn requested(&self, connection: Arc<Connection>, id: FlowId, request: OpenRequest) {
        let flow = id.to_string();
        let actions: Result<Vec<Action>, _> =
            request.asked.actions.iter().map(|action| action.parse()).collect();
        let actions = match actions {
            Ok(actions) if actions.len() <= Action::ALL.len() => actions,
            Ok(_) => {
                let detail = "too many actions are requested";
                return request.refuse(Why::Wrong, detail, &flow, None).await;
            }
            Err(error) => return request.refuse(Why::Wrong, &error.to_string(), &flow, None).await,
        };
        let wanted = WantedFlow { actions, kind: request.asked.kind };
        let authority = match DoorName::of_path(&request.asked.interface) {
            Some(door) => NamedInterface::Door(door),
            None => NamedInterface::Other(PeerText::new(&request.asked.interface)),
        };
        let requested = Requested::new(connection, id, authority, Via::Open, wanted);
        if request.is_question {
            return self.answer(requested, request, &flow).await;
        }
        let ready = match self.ready(requested).await {
            Ok(ready) => ready,
            Err(stop) => return stop.tell(&self.means.leases, request, &flow).await,
        };
        let (kind, actions) = match &ready {
            Ready::Dialed(dialed) => (dialed.kind(), dialed.actions()),
            Ready::Approached(approached) => (approached.kind(), approached.actions()),
        };
        let actions: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
        let client = match kind {
            FlowKind::Stream => request.stream(&flow, &actions).await.map(ClientEnd::Stream),
            FlowKind::Datagrams => request
                .datagrams(&flow, &actions)
                .await
                .map(|(datagrams, parting)| ClientEnd::Datagrams(Box::new(datagrams), parting)),
        };
        match (ready, client) {
            (Ready::Dialed(dialed), Ok(client)) => record(relay(*dialed, client).await),
            (Ready::Dialed(dialed), Err(_)) => record(dialed.give_up()),
            (Ready::Approached(approached), Ok(client)) => self.inspect(*approached, client).await,
            (Ready::Approached(_), Err(_)) => {}
        }
    }

    /// Ends one or both of two programs with one identity, and records an alarm.
    async fn settle(self: Arc<Self>, link: Arc<Link>, rivals: Rivals) {
        if !self.means.dialer.agents().settle(&rivals).await {
            return;
        }
        let reason = "identity-used-twice";
        let record = Record::new(self.means.clock.now(), Event::Alarm).ended(Outcome::Done, reason);
        let record = link.connection().about(record).detail(
            "two programs run with this identity: its directory was copied, or the agent was \
             started twice; if it was copied, revoke the device and enrol it again",
        );
        tracing::warn!(by = %link.session().subject(), reason, "an identity is used twice");
        note(&*self.means.journal, record).await;
    }
}

impl Stop {
    /// Refuses a request on `doorward/1`, as coarsely as any other. Only whoever a rule allows it at
    /// another time also learns from when on.
    async fn tell(self, leases: &Leases, request: OpenRequest, flow: &str) {
        let why = match &self {
            Self::Refused(refused) if refused.is_busy() => Why::Busy,
            Self::Refused(_) | Self::NotBegun(NotBegun::Cut) => Why::Forbidden,
            Self::NotBegun(NotBegun::NotRecorded) => Why::NotRecorded,
            Self::NotBegun(NotBegun::NotReached(error)) => match error {
                DialError::NoRoom => Why::Busy,
                DialError::Slow => Why::NoAnswer,
                DialError::Taken => Why::Taken,
                DialError::Nothing
                | DialError::NoAddress(_)
                | DialError::Forbidden { .. }
                | DialError::OtherNetwork { .. }
                | DialError::OtherSettings
                | DialError::Narrow
                | DialError::Kind(_)
                | DialError::NoAgent
                | DialError::NotOffered(_)
                | DialError::Agent(_)
                | DialError::Refused(_) => Why::Unreachable,
            },
        };
        let problem = self.problem();
        let is_told = matches!(
            &self,
            Self::NotBegun(NotBegun::NotRecorded | NotBegun::NotReached(DialError::Kind(_)))
        );
        let detail = if is_told {
            problem.detail()
        } else {
            "the administrator finds the reason in the audit log under this flow's id"
        };
        let from = match &self {
            Self::Refused(refused) => refused.later(leases),
            Self::NotBegun(_) => None,
        };
        request.refuse(why, detail, flow, from).await;
    }

    fn problem(&self) -> Problem {
        match self {
            Self::Refused(refused) if refused.is_busy() => busy(),
            Self::Refused(_) => forbidden(),
            Self::NotBegun(not_begun) => not_begun.problem(),
        }
    }
}

impl Flows for Proxy {
    fn interface(
        &self,
        connection: Arc<Connection>,
        id: FlowId,
        host: String,
        wire: Box<dyn Wire>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.interface(connection, id, host, wire).await })
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

    fn open(
        &self,
        connection: Arc<Connection>,
        id: FlowId,
        request: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.requested(connection, id, request).await })
    }

    fn offered(&self, link: &Arc<Link>, offers: Vec<Offering>) -> BTreeMap<String, String> {
        let (declined, rivals) =
            self.0.means.dialer.agents().offer(&self.0.means.leases, link, offers);
        if let Some(rivals) = rivals {
            tokio::spawn(Arc::clone(&self.0).settle(Arc::clone(link), rivals));
        }
        declined
    }

    fn link_closed(&self, link: &Arc<Link>) {
        self.0.means.dialer.agents().link_closed(link);
    }
}
