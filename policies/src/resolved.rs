//! What a question names, as far as it exists.

use std::sync::Arc;

use doorward_model::{Action, Path, Protocol};

use crate::decision::{DeclaredInterface, Refusal};
use crate::question::{Evidence, Question};
use crate::snapshot::{Interface, KnownMember};

/// The subject, device and interface that a question names, as far as they exist.
pub(crate) struct ResolvedQuestion<'a> {
    pub(crate) action: Action,
    pub(crate) gateway: bool,
    pub(crate) subject: Option<&'a Arc<KnownMember>>,
    pub(crate) device: Option<&'a Arc<KnownMember>>,
    /// The interfaces of the device; `interface` is the index of one of them.
    pub(crate) among: Option<&'a Arc<[Interface]>>,
    pub(crate) interface: Option<usize>,
}

impl ResolvedQuestion<'_> {
    pub(crate) fn declared(&self) -> Option<DeclaredInterface> {
        Some(DeclaredInterface { among: Arc::clone(self.among?), at: self.interface? })
    }

    fn interface(&self) -> Option<&Interface> {
        self.among.zip(self.interface).and_then(|(among, at)| among.get(at))
    }

    /// Returns the protocol of the interface; `None` if there is no such interface.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        match self.gateway {
            true => Some(Protocol::Administration),
            false => self.interface().map(|interface| interface.target.protocol()),
        }
    }

    /// Returns what is known about the subject and the device.
    pub(crate) fn evidence(&self) -> Evidence {
        let posture = |known: Option<&Arc<KnownMember>>| known?.posture.clone();
        Evidence { target: posture(self.device), asker: posture(self.subject) }
    }

    /// Returns the other names under which the device may read the resource.
    pub(crate) fn aliases(&self, question: &Question) -> Vec<Path> {
        let inspected = self.interface().and_then(|interface| interface.target.inspected());
        inspected.map_or_else(Vec::new, |inspected| inspected.aliases(&question.resource.path))
    }

    /// Returns the refusal that applies to every question about this subject and this interface.
    pub(crate) fn bar(&self) -> Option<Refusal> {
        let Some(subject) = self.subject else { return Some(Refusal::UnknownSubject) };
        if !subject.member.enabled {
            return Some(Refusal::SubjectDisabled);
        }
        if self.gateway {
            return None;
        }
        let Some(device) = self.device else { return Some(Refusal::UnknownDevice) };
        let Some(interface) = self.interface() else { return Some(Refusal::UnknownInterface) };
        if !device.member.enabled {
            return Some(Refusal::DeviceDisabled);
        }
        (!interface.enabled).then_some(Refusal::InterfaceDisabled)
    }

    /// Returns the refusal that applies before any rule is asked.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let is_action = |protocol: Protocol| protocol.actions().contains(&self.action);
        let unheard_of =
            || (!self.protocol().is_some_and(is_action)).then_some(Refusal::NotAnAction);
        self.bar().or_else(unheard_of)
    }
}
