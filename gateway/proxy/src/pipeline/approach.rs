use doorward_model::{Action, Device, DoorName, Inspected, Name, Target};
use doorward_session::Leases;
use doorward_wire::Kind;

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

/// Looks at which kind of interface a flow is asked for. At one that is inspected, a session that
/// could do nothing there is refused as it would be if there were no such interface: on the same
/// path.
pub fn approach(leases: &Leases, mut requested: Requested) -> Approach {
    let Some(target) = requested.target(leases) else { return Approach::Raw(requested) };
    let (Some(inspected), Authority::Door(door)) = (target.inspected(), &requested.authority)
    else {
        return Approach::Raw(requested);
    };
    let (device, interface) = (door.device.clone(), door.interface.clone());
    let action = inspected.spoken.protocol().opening().unwrap_or(Action::Connect);
    let Some(question) = requested.question(action) else { return Approach::Raw(requested) };
    match leases.reaches(&requested.session, question) {
        Ok(()) => {
            let (inspected, kind) = (inspected.clone(), kind_of(target.way()));
            Approach::Inspected(Approached {
                requested,
                device,
                interface,
                inspected,
                target,
                kind,
            })
        }
        Err(refused) => {
            requested.barred = Some(refused);
            Approach::Raw(requested)
        }
    }
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
        let wanted = &self.requested.wanted.actions;
        let named = |action: &Action| wanted.is_empty() || wanted.contains(action);
        all.iter().copied().filter(named).collect()
    }
}
