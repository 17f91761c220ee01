//! Asks whether a session can do anything at an interface, before anything else.

use doorward_model::{Action, Device, DoorName, Inspected, Path, PeerText, Resource, Target};
use doorward_policies::{Event, Opinion, Outcome, Permit, Record};
use doorward_session::{Authorized, Leases};
use doorward_wire::FlowKind;
use jiff::Timestamp;

use super::authorize::{NamedInterface, Requested};
use super::held::Granted;
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
    /// The interface and its device.
    pub(super) door: DoorName,
    pub(super) inspected: Inspected,
    /// The target as it was declared at that time. The dial takes the target from the permit.
    pub(super) target: Target,
    kind: FlowKind,
}

/// Finds out whether the interface is inspected. A session that could do nothing there is refused
/// as if there were no such interface. For this, the policy is first asked whether the session
/// could do anything at all under the name. The declaration is read in any case. Each refusal
/// takes this path and then one question by [`authorize`](super::authorize), so that all refusals
/// take the same time.
pub fn approach(leases: &Leases, mut requested: Requested) -> Approach {
    let Some(resource) = requested.resource() else { return Approach::Raw(requested) };
    // Both answers are of one state.
    let snapshot = leases.snapshot();
    let reached = leases.reaches(&requested.connection, resource, &snapshot);
    let target = match &requested.authority {
        NamedInterface::Door(DoorName { device: Device::Named(device), interface }) => {
            snapshot.interface(device, interface).map(|declared| &declared.target)
        }
        NamedInterface::Door(DoorName { device: Device::Gateway, .. })
        | NamedInterface::Other(_) => None,
    };
    requested.declared = target.map(Target::protocol);
    if let Err(refused) = reached {
        requested.barred = Some(refused);
        return Approach::Raw(requested);
    }
    let (Some(target), NamedInterface::Door(door)) = (target, &requested.authority) else {
        return Approach::Raw(requested);
    };
    let Some(inspected) = target.inspected() else { return Approach::Raw(requested) };
    let (door, inspected) = (door.clone(), inspected.clone());
    let (target, kind) = (target.clone(), kind_of(target.way()));
    Approach::Inspected(Approached { requested, door, inspected, target, kind })
}

impl Approached {
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

    /// Returns the resource of an operation on this path.
    pub(super) fn resource(&self, path: &Path) -> Resource {
        Resource { device: self.door.device.clone(), path: path.clone() }
    }

    /// Returns the flow that these rights admit.
    pub(super) fn granted(&self, first: Authorized, more: Vec<Authorized>) -> Granted {
        Granted { first, more, via: self.requested.via, kind: Some(self.kind) }
    }

    /// Returns whether a permit is for the requested interface. Another interface may have taken
    /// the name since.
    pub(super) fn is_for(&self, permit: &Permit) -> bool {
        permit.target() == Some(&self.target)
    }

    /// Returns a record of an operation that was permitted, or refused for the reason `refused`.
    /// `query` is the part of an HTTP query to record.
    pub(super) fn operation(
        &self,
        at: Timestamp,
        (action, path, query): (Action, &Path, Option<&PeerText>),
        opinion: Option<&Opinion>,
        refused: Option<&str>,
    ) -> Record {
        let event = refused.map_or(Event::Operation, |_| Event::OperationRefused);
        let mut record = self.requested.record(at, event);
        record.action = Some(action);
        record.device = Some(self.door.device.clone());
        record.path = Some(PeerText::new(&path.raw()));
        record.query = query.cloned();
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
        record.device = Some(self.door.device.clone());
        record.path = Some(PeerText::new(said));
        record.ended(Outcome::Refused, refused)
    }
}
