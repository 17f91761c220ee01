//! Decides whether a flow may be opened.

use std::sync::Arc;

use doorward_model::{Action, Device, DoorName, FlowId, Path, PeerText, Protocol, Resource};
use doorward_policies::{Event, Record, Refusal};
use doorward_session::{Connection, Leases, Refused};
use doorward_wire::FlowKind;
use jiff::Timestamp;

use super::held::Granted;
use super::via::Via;

/// The interface that a peer asks for, as it named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedInterface {
    /// The name of an interface, which need not exist.
    Door(DoorName),
    /// A text that is no interface's name.
    Other(PeerText),
}

/// What a peer asks for at an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedFlow {
    /// The actions, all of which must be granted. Empty stands for every granted action that opens
    /// a flow at the interface.
    pub actions: Vec<Action>,
    /// How the flow must travel; `None` is as the interface does.
    pub kind: Option<FlowKind>,
}

impl WantedFlow {
    /// Returns the request of a client that cannot say what it wants: everything that is granted,
    /// as a stream.
    #[must_use]
    pub fn stream() -> Self {
        Self { actions: vec![], kind: Some(FlowKind::Stream) }
    }
}

/// A requested flow.
#[derive(Debug)]
#[must_use]
pub struct Requested {
    pub(super) connection: Arc<Connection>,
    pub(super) id: FlowId,
    pub(super) authority: NamedInterface,
    pub(super) via: Via,
    pub(super) wanted: WantedFlow,
    /// The protocol of the interface, as [`approach`](super::approach) has found it declared.
    pub(super) declared: Option<Protocol>,
    /// Why the flow will be refused in any case: the session could do nothing at the interface.
    pub(super) barred: Option<Refused>,
}

impl Requested {
    /// Returns the request over `connection` for the interface that `authority` names.
    pub fn new(
        connection: Arc<Connection>,
        id: FlowId,
        authority: NamedInterface,
        via: Via,
        wanted: WantedFlow,
    ) -> Self {
        Self { connection, id, authority, via, wanted, declared: None, barred: None }
    }

    /// Returns how the peer wants the flow to travel.
    pub(crate) fn wanted_kind(&self) -> Option<FlowKind> {
        self.wanted.kind
    }

    /// Returns the actions to ask about, and whether all must be granted. If another interface has
    /// taken the name by the time of the decision, it does not know these actions, and the flow is
    /// refused.
    fn actions(&self) -> (Vec<Action>, bool) {
        if !self.wanted.actions.is_empty() {
            let mut actions = self.wanted.actions.clone();
            actions.sort_unstable();
            actions.dedup();
            return (actions, true);
        }
        match self.declared {
            Some(protocol) if protocol.opens_by_each_action() => {
                (protocol.actions().to_vec(), false)
            }
            Some(_) | None => (vec![Action::Connect], true),
        }
    }

    /// Returns the resource of the flow. A text that is no interface's name is asked about, too, so
    /// that it is refused in the same way: nobody may `connect` to the administration. `None` if the
    /// text is too long for a path.
    pub(super) fn resource(&self) -> Option<Resource> {
        let (device, path) = match &self.authority {
            NamedInterface::Door(door) => {
                (door.device.clone(), Path::literal(door.interface.as_str()))
            }
            NamedInterface::Other(text) => (Device::Gateway, Path::literal(text.raw())),
        };
        Some(Resource { device, path: path.ok()? })
    }

    /// Returns a record about this flow, without an outcome.
    pub(super) fn record(&self, at: Timestamp, event: Event) -> Record {
        let mut record = self.connection.about(Record::new(at, event));
        record.flow = Some(self.id);
        record.door = Some(self.via.door());
        record
    }
}

/// A flow that was refused.
#[derive(Debug)]
#[must_use]
pub struct RefusedFlow {
    pub(crate) requested: Requested,
    action: Action,
    /// `None` if no question could be made of the request.
    pub(crate) refused: Option<Refused>,
}

/// Decides a flow: enters its pending lease, then asks. For a session that could do nothing at the
/// interface, this asks exactly one question, so that the record has the rules that refuse it.
///
/// # Errors
/// When the flow is refused. The caller records the refusal.
pub fn authorize(leases: &Leases, mut requested: Requested) -> Result<Granted, Box<RefusedFlow>> {
    let barred = requested.barred.take();
    let (mut actions, mut all) = requested.actions();
    if barred.is_some() {
        actions.truncate(1);
        all = true;
    }
    let (mut granted, mut refused) = (Vec::new(), None);
    for action in actions {
        let Some(resource) = requested.resource() else {
            return Err(Box::new(RefusedFlow { requested, action, refused: None }));
        };
        match leases.ask(&requested.connection, requested.id, action, resource) {
            Ok(authorized) => granted.push(authorized),
            Err(why) if all => {
                let refused = Some(plainer(why, barred));
                return Err(Box::new(RefusedFlow { requested, action, refused }));
            }
            Err(why) => {
                refused.get_or_insert((action, why));
            }
        }
    }
    let mut granted = granted.into_iter();
    match (granted.next(), barred, refused) {
        (Some(first), None, _) => {
            let (via, kind) = (requested.via, requested.wanted.kind);
            Ok(Granted { first, more: granted.collect(), via, kind })
        }
        // The right was granted between the two questions. It counts from the next flow on.
        (Some(first), barred @ Some(_), _) => {
            let action = first.permit().action();
            Err(Box::new(RefusedFlow { requested, action, refused: barred }))
        }
        (None, barred, refused) => {
            let (action, refused) = refused.unzip();
            let action = action.unwrap_or(Action::Connect);
            Err(Box::new(RefusedFlow { requested, action, refused: refused.or(barred) }))
        }
    }
}

/// Returns the reason to record. Why the session could do nothing there says more than that the
/// interface does not know the one action that was asked about, or that no rule allows it.
fn plainer(why: Refused, barred: Option<Refused>) -> Refused {
    if let Refused::Denied(denial) = &why
        && matches!(denial.reason(), Refusal::NotAnAction | Refusal::NoRule)
        && let Some(barred) = barred
    {
        return barred;
    }
    why
}

impl RefusedFlow {
    /// Returns whether the flow was refused because there are too many flows.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.refused, Some(Refused::Busy))
    }

    /// Returns from when on a rule could allow the flow, if nothing but the time changes.
    pub(crate) fn later(&self, leases: &Leases) -> Option<Timestamp> {
        leases.reaches_later(&self.requested.connection, self.requested.resource()?)
    }

    pub(crate) fn record(&self, at: Timestamp) -> Record {
        let mut record = self.requested.record(at, Event::FlowRefused);
        record.action = Some(self.action);
        if let Some(Refused::Denied(denial)) = &self.refused {
            record = record.judged(denial.opinion());
        }
        let outcome = doorward_policies::Outcome::Refused;
        let reason = match &self.requested.authority {
            NamedInterface::Door(door) => {
                record.device = Some(door.device.clone());
                record.path = Some(PeerText::new(door.interface.as_str()));
                self.refused.as_ref().map_or("unknown-interface", Refused::as_str)
            }
            NamedInterface::Other(text) => {
                record.path = Some(text.clone());
                match &self.refused {
                    Some(busy @ Refused::Busy) => busy.as_str(),
                    Some(Refused::Denied(_) | Refused::Degraded) | None => "unknown-interface",
                }
            }
        };
        record.ended(outcome, reason)
    }
}
