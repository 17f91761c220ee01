//! Asks whether a session can do anything at an interface, before anything else.

use doorward_model::{Action, Device, DoorName, Inspected, Name, Path, PeerText, Resource, Target};
use doorward_policies::{Event, Opinion, Outcome, Permit, Question, Record};
use doorward_session::Leases;
use doorward_wire::FlowKind;
use jiff::Timestamp;

use super::authorize::{NamedInterface, Requested};
use crate::dial::kind_of;

/// How a requested flow goes on.
#[derive(Debug)]
#[must_use]
pub enum Approach {
    /// The policy decides the flow itself.
    Raw(Requested),
    /// The policy decides each operation within the flow.
    Inspected(Approached),
}

/// A flow at an inspected interface, requested by a session that might do something there. Nothing
/// is dialed before the first permitted operation.
#[derive(Debug)]
#[must_use]
pub struct Approached {
    pub(super) requested: Requested,
    pub(super) device: Device,
    pub(super) interface: Name,
    pub(super) inspected: Inspected,
    /// The target as it was declared at that time. The dial takes the target from the permit.
    pub(super) target: Target,
    kind: FlowKind,
}

/// Finds out whether the interface is inspected. A session that could do nothing there is refused
/// as if there were no such interface. For this, the policy is first asked whether the session
/// could do anything at all under the name, and only then the declaration is read. Each refusal
/// takes this path and then one question by [`authorize`](super::authorize), so that all refusals
/// take the same time.
pub fn approach(leases: &Leases, mut requested: Requested) -> Approach {
    let Some(question) = requested.question(Action::Connect) else {
        return Approach::Raw(requested);
    };
    if let Err(refused) = leases.reaches(&requested.connection, question) {
        requested.barred = Some(refused);
        return Approach::Raw(requested);
    }
    let Some(target) = requested.target(leases) else { return Approach::Raw(requested) };
    let (Some(inspected), NamedInterface::Door(door)) = (target.inspected(), &requested.authority)
    else {
        return Approach::Raw(requested);
    };
    let (device, interface) = (door.device.clone(), door.interface.clone());
    let (inspected, kind) = (inspected.clone(), kind_of(target.way()));
    Approach::Inspected(Approached { requested, device, interface, inspected, target, kind })
}

impl Approached {
    /// Returns the name of the interface and its device.
    pub(super) fn door(&self) -> DoorName {
        DoorName { device: self.device.clone(), interface: self.interface.clone() }
    }

    /// Returns how the flow travels.
    #[must_use]
    pub fn kind(&self) -> FlowKind {
        self.kind
    }

    /// Returns whether the client asked for another kind of flow.
    #[must_use]
    pub fn is_of_another_kind(&self) -> bool {
        self.requested.wanted.kind.is_some_and(|kind| kind != self.kind)
    }

    /// Returns the actions of the flow: those that the client named, or all of the protocol.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let all = self.inspected.spoken.protocol().actions();
        all.iter().copied().filter(|action| self.wants(*action)).collect()
    }

    /// Returns whether the client asked for this action, or for everything.
    pub(super) fn wants(&self, action: Action) -> bool {
        let wanted = &self.requested.wanted.actions;
        wanted.is_empty() || wanted.contains(&action)
    }

    /// Returns the question whether the session may do this here.
    pub(super) fn question(&self, action: Action, path: &Path) -> Question {
        let resource = Resource { device: self.device.clone(), path: path.clone() };
        self.requested.question_about(action, resource)
    }

    /// Returns whether a permit is for the requested interface. Another interface may have taken
    /// the name since.
    pub(super) fn is_for(&self, permit: &Permit) -> bool {
        permit.target() == Some(&self.target)
    }

    /// Returns a record of an operation that was permitted, or refused for the reason `refused`.
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

    /// Returns a record of a message that was refused because it could not be read as an operation.
    pub(super) fn unnamed(&self, at: Timestamp, said: &str, refused: &str) -> Record {
        let mut record = self.requested.record(at, Event::OperationRefused);
        record.device = Some(self.device.clone());
        record.path = Some(PeerText::new(said));
        record.ended(Outcome::Refused, refused)
    }
}
