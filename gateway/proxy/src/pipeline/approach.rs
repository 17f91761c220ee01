//! Asks whether a session has any business at an interface, before anything else.

use doorward_model::{Action, Device, DoorName, Inspected, Name, Path, PeerText, Resource, Target};
use doorward_policies::{Event, Opinion, Outcome, Permit, Question, Record};
use doorward_session::Leases;
use doorward_wire::Kind;
use jiff::Timestamp;

use super::authorize::{Authority, Requested};
use crate::dial::kind_of;

/// How a flow that is asked for goes on.
#[derive(Debug)]
#[must_use]
pub enum Approach {
    /// The flow itself is what is decided.
    Raw(Requested),
    /// What is done within it is.
    Inspected(Approached),
}

/// A flow at an interface of which operations are decided, asked for by a session that might do
/// something there. Nothing is dialed before the first operation that is permitted.
#[derive(Debug)]
#[must_use]
pub struct Approached {
    pub(super) requested: Requested,
    pub(super) device: Device,
    pub(super) interface: Name,
    pub(super) inspected: Inspected,
    /// As it was declared then; what is dialed is what the permit says.
    pub(super) target: Target,
    kind: Kind,
}

/// Looks at which kind of interface a flow is asked for. A session that could do nothing there is
/// refused as it would be if there were no such interface: first it is asked whether it could do
/// anything, whatever it has named, and only then what there is. Each refusal takes this path and
/// then one question by [`authorize`](super::authorize), so that each takes as long.
pub fn approach(leases: &Leases, mut requested: Requested) -> Approach {
    let Some(question) = requested.question(Action::Connect) else {
        return Approach::Raw(requested);
    };
    if let Err(refused) = leases.reaches(&requested.session, question) {
        requested.barred = Some(refused);
        return Approach::Raw(requested);
    }
    let Some(target) = requested.target(leases) else { return Approach::Raw(requested) };
    let (Some(inspected), Authority::Door(door)) = (target.inspected(), &requested.authority)
    else {
        return Approach::Raw(requested);
    };
    let (device, interface) = (door.device.clone(), door.interface.clone());
    let (inspected, kind) = (inspected.clone(), kind_of(target.way()));
    Approach::Inspected(Approached { requested, device, interface, inspected, target, kind })
}

impl Approached {
    /// The name of the door.
    pub(super) fn door(&self) -> DoorName {
        DoorName { device: self.device.clone(), interface: self.interface.clone() }
    }

    /// How the flow travels.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the client asked for another kind of flow.
    #[must_use]
    pub fn is_of_another_kind(&self) -> bool {
        self.requested.wanted.kind.is_some_and(|kind| kind != self.kind)
    }

    /// The actions that may be done within it: those that the client named, or all of the protocol.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let all = self.inspected.spoken.protocol().actions();
        all.iter().copied().filter(|action| self.wants(*action)).collect()
    }

    /// Whether the client has said that the flow is for that, or for everything.
    pub(super) fn wants(&self, action: Action) -> bool {
        let wanted = &self.requested.wanted.actions;
        wanted.is_empty() || wanted.contains(&action)
    }

    /// The question whether its session may do that here.
    pub(super) fn question(&self, action: Action, path: &Path) -> Question {
        let resource = Resource { device: self.device.clone(), path: path.clone() };
        self.requested.question_about(action, resource)
    }

    /// Whether a permit is for the interface that the flow was asked for: another may have come
    /// under that name since.
    pub(super) fn is_for(&self, permit: &Permit) -> bool {
        permit.target() == Some(&self.target)
    }

    /// A record of an operation that was permitted, or refused for that reason.
    pub(super) fn operation(
        &self,
        at: Timestamp,
        (action, path): (Action, &Path),
        opinion: Option<&Opinion>,
        refused: Option<&str>,
    ) -> Record {
        let event = refused.map_or(Event::Operation, |_| Event::OperationRefused);
        let mut record = self.requested.record(at, event);
        record.action = Some(action);
        record.device = Some(self.device.clone());
        record.path = Some(PeerText::new(&path.raw()));
        if let Some(opinion) = opinion {
            record = record.judged(opinion);
        }
        match refused {
            None => record,
            Some(why) => record.ended(Outcome::Refused, why),
        }
    }

    /// A record of something that was refused for that reason, since it could not be named.
    pub(super) fn unnamed(&self, at: Timestamp, said: &str, refused: &str) -> Record {
        let mut record = self.requested.record(at, Event::OperationRefused);
        record.device = Some(self.device.clone());
        record.path = Some(PeerText::new(said));
        record.ended(Outcome::Refused, refused)
    }
}
