//! The doors of flows: an interface's own name, CONNECT, and a stream of `doorward/1`.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use doorward_model::{Action, Clock, Domain, DoorName, FlowId, PeerText};
use doorward_policies::{Class, Event, Journal, Outcome, Record};
use doorward_session::{
    Asking, Flows, Leases, Link, Problem, Refusals, Session, Tunnel, Visit, Wire,
};
use doorward_wire::{Kind, Offering, Why};

use crate::dial::{DialError, Dialer, Rivals};
use crate::pipeline::{
    Authority, Client, Dialed, NotDialed, Opened, RefusedFlow, Requested, Via, Wanted, authorize,
    dial, open, record, refuse, relay,
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
        let granted = match authorize(&self.leases, requested) {
            Ok(granted) => granted,
            Err(refused) => {
                refuse(&*self.journal, &refused, self.clock.now()).await;
                return Err(Stop::Refused(refused));
            }
        };
        open(&*self.journal, granted).await.map_err(|not_opened| {
            tracing::warn!(error = %not_opened.error, "a flow was refused: it cannot be recorded");
            Stop::NotRecorded
        })
    }

    async fn dial(&self, opened: Opened) -> Result<Dialed, Stop> {
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
        let authority = self.authority(&host);
        let requested = Requested::new(session, id, authority, Via::Sni, Wanted::stream());
        let dialed = match self.open(requested).await {
            Ok(opened) => self.dial(opened).await,
            Err(stop) => Err(stop),
        };
        match dialed {
            Ok(dialed) => record(relay(dialed, wire).await),
            // One thing on the wire, whatever the ground.
            Err(_) => wire.cut(Why::Forbidden),
        }
    }

    async fn tunnel(&self, visit: Arc<Visit>, id: FlowId, host: String, tunnel: Box<dyn Tunnel>) {
        let Some(session) = &visit.session else {
            self.refusals.count(visit.peer.ip(), "connect-without-identity");
            return tunnel.refuse(forbidden());
        };
        let authority = self.authority(&host);
        let (session, wanted) = (Arc::clone(session), Wanted::stream());
        let requested = Requested::new(session, id, authority, Via::Connect, wanted);
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

impl Inner {
    async fn asked(&self, session: Arc<Session>, id: FlowId, asking: Asking) {
        let flow = id.to_string();
        let actions: Result<Vec<Action>, _> =
            asking.asked.actions.iter().map(|action| action.parse()).collect();
        let actions = match actions {
            Ok(actions) if actions.len() <= Action::ALL.len() => actions,
            Ok(_) => {
                return asking.refuse(Why::Wrong, "so many actions there are not", &flow).await;
            }
            Err(error) => return asking.refuse(Why::Wrong, &error.to_string(), &flow).await,
        };
        let wanted = Wanted { actions, kind: asking.asked.kind };
        let authority = match DoorName::of_path(&asking.asked.interface) {
            Some(door) => Authority::Door(door),
            None => Authority::Other(PeerText::new(&asking.asked.interface)),
        };
        let requested = Requested::new(session, id, authority, Via::Open, wanted);
        let opened = match self.open(requested).await {
            Ok(opened) => opened,
            Err(stop) => return stop.tell(asking, &flow).await,
        };
        let actions = opened.actions();
        let actions: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
        let dialed = match self.dial(opened).await {
            Ok(dialed) => dialed,
            Err(stop) => return stop.tell(asking, &flow).await,
        };
        let client = match dialed.kind() {
            Kind::Stream => asking.stream(&flow, &actions).await.map(Client::Stream),
            Kind::Datagrams => asking
                .datagrams(&flow, &actions)
                .await
                .map(|(datagrams, parting)| Client::Datagrams(Box::new(datagrams), parting)),
        };
        match client {
            Ok(client) => record(relay(dialed, client).await),
            Err(_) => record(dialed.give_up()),
        }
    }

    /// Ends one of two programs with one identity, or both, and records it for whoever must
    /// know.
    async fn settle(self: Arc<Self>, link: Arc<Link>, rivals: Rivals) {
        if !self.dialer.agents().settle(&rivals).await {
            return;
        }
        let (session, reason) = (link.session(), "identity-used-twice");
        let mut record = Record::new(self.clock.now(), Event::Alarm).ended(Outcome::Done, reason);
        record.session = Some(session.id());
        record.subject = Some(session.subject().clone());
        record.certificate = Some(session.certificate().serial);
        record.source = Some(session.peer());
        let record = record.detail(
            "two programs run with this identity: its directory was copied, or the agent was \
             started twice; if it was copied, revoke the device and enrol it again",
        );
        tracing::warn!(subject = %session.subject(), reason, "an identity is used twice");
        if let Err(error) = self.journal.write(Class::Administration, record).await {
            tracing::error!(%error, "an alarm was not recorded");
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

fn busy() -> Problem {
    Problem::new(503, "Busy", "Too many flows at once. Try again in a moment.")
}

impl Stop {
    /// Tells whoever asked by a stream of `doorward/1`, as coarsely.
    async fn tell(self, asking: Asking, flow: &str) {
        let why = match &self {
            Self::Refused(refused) if refused.is_busy() => Why::Busy,
            Self::Unreachable(DialError::NoRoom) => Why::Busy,
            Self::Refused(_) | Self::Cut => Why::Forbidden,
            Self::NotRecorded => Why::NotRecorded,
            Self::Unreachable(DialError::Slow) => Why::NoAnswer,
            Self::Unreachable(DialError::Taken) => Why::Taken,
            Self::Unreachable(_) => Why::Unreachable,
        };
        let problem = self.problem();
        let detail = match &self {
            Self::NotRecorded | Self::Unreachable(DialError::Kind(_)) => problem.detail(),
            _ => "the administrator finds the reason in the audit log under this flow's id",
        };
        asking.refuse(why, detail, flow).await;
    }

    fn problem(&self) -> Problem {
        match self {
            Self::Refused(refused) if refused.is_busy() => busy(),
            Self::Unreachable(DialError::NoRoom) => busy(),
            Self::Refused(_) | Self::Cut => forbidden(),
            Self::NotRecorded => Problem::new(
                503,
                "Not recorded",
                "The gateway cannot record this flow, so it does not open it. Try again later.",
            ),
            Self::Unreachable(DialError::Taken) => Problem::new(
                409,
                "Taken",
                "Another flow has the one place for those who act on this line.",
            ),
            Self::Unreachable(DialError::Kind(kind)) => Problem::new(
                502,
                "Unreachable",
                match kind {
                    Kind::Datagrams => {
                        "The interface speaks datagrams; reach it with `doorward-agent connect` \
                         or its proxy."
                    }
                    Kind::Stream => "The interface is a stream, and datagrams were asked for.",
                },
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

    fn asked(
        &self,
        session: Arc<Session>,
        id: FlowId,
        asking: Asking,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.asked(session, id, asking).await })
    }

    fn offered(&self, link: &Arc<Link>, offers: Vec<Offering>) -> BTreeMap<String, String> {
        let (declined, rivals) = self.0.dialer.agents().offer(&self.0.leases, link, offers);
        if let Some(rivals) = rivals {
            tokio::spawn(Arc::clone(&self.0).settle(Arc::clone(link), rivals));
        }
        declined
    }

    fn parted(&self, link: &Arc<Link>) {
        self.0.dialer.agents().parted(link);
    }
}
