//! Permits and denials.

use std::fmt;
use std::sync::Arc;

use doorward_model::{
    Action, DeviceId, Epoch, InterfaceId, Name, Resource, Revision, Subject, SubjectId, Target,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::lines::RuleLines;
use crate::snapshot::Interface;

/// The answer to a [`Request`](crate::Request).
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// The request is permitted.
    Permit(Permit),
    /// The request is refused.
    Denial(Denial),
}

/// A permit for one action on one resource. Only [`Snapshot::decide`](crate::Snapshot::decide) and
/// [`decide_again`](crate::Snapshot::decide_again) make one. It cannot be copied or altered.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    pub(crate) subject: Subject,
    pub(crate) subject_id: SubjectId,
    pub(crate) resource: Resource,
    pub(crate) action: Action,
    pub(crate) device: Option<DeviceId>,
    pub(crate) interface: Option<DeclaredInterface>,
    pub(crate) opinion: Opinion,
}

impl Permit {
    /// Returns the subject that may act.
    #[must_use]
    pub fn subject(&self) -> (&Subject, SubjectId) {
        (&self.subject, self.subject_id)
    }

    /// Returns the resource.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Returns the action.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Returns the target to dial; `None` for the gateway's administration.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        self.declaration().map(|interface| &interface.target)
    }

    /// Returns the network that the dialed address must be in, if the interface was declared in
    /// one.
    #[must_use]
    pub fn network(&self) -> Option<&Name> {
        self.declaration().and_then(|interface| interface.network.as_ref())
    }

    /// Returns the rules, revision, epoch and instant of the decision.
    #[must_use]
    pub fn opinion(&self) -> &Opinion {
        &self.opinion
    }

    /// Returns the first instant at which time alone could change the decision.
    #[must_use]
    pub fn ask_again_at(&self) -> Option<Timestamp> {
        self.opinion.ask_again_at
    }

    /// Returns the numbers of the device and of the interface when the permit was made. A name that
    /// is removed and used again has another number. `None` for the administration.
    #[must_use]
    pub fn target_ids(&self) -> (Option<DeviceId>, Option<InterfaceId>) {
        (self.device, self.declaration().map(|interface| interface.id))
    }

    /// Returns what the permit leads to.
    #[must_use]
    pub fn permitted_target(&self) -> PermittedTarget {
        PermittedTarget { device: self.device, interface: self.interface.clone() }
    }

    fn declaration(&self) -> Option<&Interface> {
        self.interface.as_ref().and_then(DeclaredInterface::get)
    }
}

/// The device and the interface that a permit leads to, as they were when it was made.
#[derive(Clone, Debug)]
pub struct PermittedTarget {
    device: Option<DeviceId>,
    interface: Option<DeclaredInterface>,
}

impl PermittedTarget {
    /// Returns whether a later permit leads there, too: to the same device and interface, whose URL
    /// and network have not changed since. An interface that has got its first network is the same.
    #[must_use]
    pub fn is_that_of(&self, later: &Permit) -> bool {
        let is_same = |was: &Interface, is: &Interface| {
            let network = was.network.is_none() || was.network == is.network;
            network && was.id == is.id && was.target == is.target
        };
        self.device == later.device
            && match (&self.interface, &later.interface) {
                (None, None) => true,
                (Some(was), Some(is)) => {
                    was.is(is) || was.get().zip(is.get()).is_some_and(|(was, is)| is_same(was, is))
                }
                (None, Some(_)) | (Some(_), None) => false,
            }
    }

    /// Returns whether a later permit leads to the same device and interface, changed or not.
    #[must_use]
    pub fn has_ids_of(&self, later: &Permit) -> bool {
        let interface = self.interface.as_ref().and_then(DeclaredInterface::get);
        (self.device, interface.map(|interface| interface.id)) == later.target_ids()
    }
}

/// One interface of a device. It shares the list of interfaces with the state.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredInterface {
    pub(crate) among: Arc<[Interface]>,
    pub(crate) at: usize,
}

impl DeclaredInterface {
    pub(crate) fn get(&self) -> Option<&Interface> {
        self.among.get(self.at)
    }

    /// Returns whether the other is the same interface of the same state of the device.
    fn is(&self, other: &Self) -> bool {
        self.at == other.at && Arc::ptr_eq(&self.among, &other.among)
    }
}

/// A refusal, with its reason.
#[derive(Debug)]
#[must_use]
pub struct Denial {
    pub(crate) opinion: Opinion,
}

impl Denial {
    /// Returns why the request was refused. The reason is for the operator and the audit log; the
    /// peer gets a coarser word.
    #[must_use]
    pub fn reason(&self) -> Refusal {
        self.opinion.refusal.unwrap_or(Refusal::NoRule)
    }

    /// Returns the rules, revision, epoch and instant of the decision.
    #[must_use]
    pub fn opinion(&self) -> &Opinion {
        &self.opinion
    }
}

/// What a snapshot says of a question, without permission to act on it: the answer of `policy
/// check`, and the grounds of a [`Decision`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opinion {
    /// Why the question is refused; `None` if it is permitted.
    pub refusal: Option<Refusal>,
    /// The lines of `policy.csv` that decided: the allow rules of a permit, the deny rules of a
    /// denial, or the allow rules whose conditions failed. At most [`RuleLines::MOST`] of them.
    pub rules: RuleLines,
    /// The number of the bundle.
    pub revision: Revision,
    /// The number of the state.
    pub epoch: Epoch,
    /// The first later instant at which time alone could change the answer.
    pub ask_again_at: Option<Timestamp>,
}

impl Opinion {
    /// Returns whether the question is permitted.
    #[must_use]
    pub fn permits(&self) -> bool {
        self.refusal.is_none()
    }
}

/// Why a question is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refusal {
    /// The subject does not exist, or its name now belongs to another subject.
    #[error("no such subject")]
    UnknownSubject,
    /// The subject is disabled.
    #[error("the subject is disabled")]
    SubjectDisabled,
    /// The certificate is unknown, revoked, expired or not yet valid.
    #[error("the certificate is not live")]
    CertificateNotLive,
    /// The device does not exist.
    #[error("no such device")]
    UnknownDevice,
    /// The device is disabled.
    #[error("the device is disabled")]
    DeviceDisabled,
    /// The device has no such interface.
    #[error("no such interface")]
    UnknownInterface,
    /// The interface is disabled.
    #[error("the interface is disabled")]
    InterfaceDisabled,
    /// The interface's protocol does not have this action.
    #[error("not an action of this interface")]
    NotAnAction,
    /// No allow rule covers the question.
    #[error("no rule allows it")]
    NoRule,
    /// A deny rule meets the question.
    #[error("a rule denies it")]
    DeniedByRule,
    /// An allow rule covers the question at another time.
    #[error("allowed at another time only")]
    OutsideTime,
    /// An allow rule covers the question from another address or under other conditions.
    #[error("allowed under other conditions only")]
    Conditions,
    /// The question asks for so much at once that a search for deny rules would have to look at too
    /// many rules.
    #[error("it asks for so much at once that too many rules would have to be looked at")]
    TooBroad,
    /// The two judges differ, or one of them failed. It also raises an alarm.
    #[error("the judges disagree")]
    Disagreement,
    /// A rule that would allow the question is suspended, because the judges have differed about
    /// it.
    #[error("a rule that would allow it is suspended")]
    Suspended,
}

impl Refusal {
    /// Returns the word for records and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownSubject => "unknown-subject",
            Self::SubjectDisabled => "subject-disabled",
            Self::CertificateNotLive => "certificate-not-live",
            Self::UnknownDevice => "unknown-device",
            Self::DeviceDisabled => "device-disabled",
            Self::UnknownInterface => "unknown-interface",
            Self::InterfaceDisabled => "interface-disabled",
            Self::NotAnAction => "not-an-action",
            Self::NoRule => "no-rule",
            Self::DeniedByRule => "denied-by-rule",
            Self::OutsideTime => "outside-time",
            Self::Conditions => "conditions",
            Self::TooBroad => "too-broad",
            Self::Disagreement => "disagreement",
            Self::Suspended => "suspended",
        }
    }
}

impl Refusal {
    /// Returns whether the asker's own identity is the reason, whatever it asks for.
    #[must_use]
    pub fn is_of_identity(self) -> bool {
        matches!(self, Self::UnknownSubject | Self::SubjectDisabled | Self::CertificateNotLive)
    }

    /// Returns whether the rules alone are the reason.
    #[must_use]
    pub fn is_by_rules(self) -> bool {
        matches!(self, Self::NoRule | Self::DeniedByRule | Self::OutsideTime | Self::Conditions)
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} may {} {}", self.subject, self.action, self.resource)
    }
}
