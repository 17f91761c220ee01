//! Permits and denials.

use std::fmt;
use std::sync::Arc;

use doorward_model::{
    Action, DeviceId, Epoch, InterfaceId, Name, Resource, Revision, Subject, SubjectId, Target,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::lines::Lines;
use crate::snapshot::Interface;

/// The answer to a [`Request`](crate::Request).
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// It may be done.
    Permit(Permit),
    /// It may not.
    Denial(Denial),
}

/// Leave to do one action on one resource. Only
/// [`Snapshot::decide`](crate::Snapshot::decide) makes one, or
/// [`decide_again`](crate::Snapshot::decide_again); it cannot be copied or altered.
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
    /// Who may.
    #[must_use]
    pub fn subject(&self) -> (&Subject, SubjectId) {
        (&self.subject, self.subject_id)
    }

    /// On what.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// What.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Where to dial. `None` for the gateway's own administration.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        self.declaration().map(|interface| &interface.target)
    }

    /// The network that the address to dial must be in, if the interface was declared in one.
    #[must_use]
    pub fn network(&self) -> Option<&Name> {
        self.declaration().and_then(|interface| interface.network.as_ref())
    }

    /// The rules, revision, epoch and instant behind it.
    #[must_use]
    pub fn opinion(&self) -> &Opinion {
        &self.opinion
    }

    /// The first instant at which time alone could turn the answer.
    #[must_use]
    pub fn ask_again_at(&self) -> Option<Timestamp> {
        self.opinion.ask_again_at
    }

    /// The device and the interface behind the names, as they were declared then: a name that
    /// was removed and used again is another. `None` for the administration.
    #[must_use]
    pub fn behind(&self) -> (Option<DeviceId>, Option<InterfaceId>) {
        (self.device, self.declaration().map(|interface| interface.id))
    }

    fn declaration(&self) -> Option<&Interface> {
        self.interface.as_ref().and_then(DeclaredInterface::get)
    }
}

/// One of the interfaces that a device has: shared with the state, not copied.
#[derive(Clone, Debug)]
pub(crate) struct DeclaredInterface {
    pub(crate) among: Arc<[Interface]>,
    pub(crate) at: usize,
}

impl DeclaredInterface {
    pub(crate) fn get(&self) -> Option<&Interface> {
        self.among.get(self.at)
    }
}

/// A refusal, with its reasons.
#[derive(Debug)]
#[must_use]
pub struct Denial {
    pub(crate) opinion: Opinion,
}

impl Denial {
    /// Why it was refused. For the operator and the audit log; the peer gets a coarse word.
    #[must_use]
    pub fn reason(&self) -> Refusal {
        self.opinion.refusal.unwrap_or(Refusal::NoRule)
    }

    /// The rules, revision, epoch and instant behind it.
    #[must_use]
    pub fn opinion(&self) -> &Opinion {
        &self.opinion
    }
}

/// What a snapshot says of a question, without leave to act on it: the answer of
/// `policy check`, and the grounds of a [`Decision`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Opinion {
    /// `None` if it may be done.
    pub refusal: Option<Refusal>,
    /// Lines of `policy.csv` that decided: allow rules of a permit, deny rules of a denial, allow
    /// rules whose conditions failed. Of very many, some.
    pub rules: Lines,
    /// The bundle.
    pub revision: Revision,
    /// The state.
    pub epoch: Epoch,
    /// The first instant after the present at which time alone could change the answer.
    pub ask_again_at: Option<Timestamp>,
}

impl Opinion {
    /// Whether it may be done.
    #[must_use]
    pub fn permits(&self) -> bool {
        self.refusal.is_none()
    }
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No such subject, or its name now belongs to another.
    #[error("no such subject")]
    UnknownSubject,
    /// The subject is disabled.
    #[error("the subject is disabled")]
    SubjectDisabled,
    /// The certificate is unknown, revoked, expired or not yet valid.
    #[error("the certificate is not live")]
    CertificateNotLive,
    /// No such device.
    #[error("no such device")]
    UnknownDevice,
    /// The device is disabled.
    #[error("the device is disabled")]
    DeviceDisabled,
    /// The device has no such interface.
    #[error("no such interface")]
    UnknownInterface,
    /// The interface is off.
    #[error("the interface is disabled")]
    InterfaceDisabled,
    /// The action is none of the interface's protocol.
    #[error("not an action of this interface")]
    NotAnAction,
    /// No allow rule covers it.
    #[error("no rule allows it")]
    NoRule,
    /// A deny rule overlaps it.
    #[error("a rule denies it")]
    DeniedByRule,
    /// An allow rule covers it at another time.
    #[error("allowed at another time only")]
    OutsideTime,
    /// An allow rule covers it from another place or under other conditions.
    #[error("allowed under other conditions only")]
    Conditions,
    /// So many rules would have to be looked at for all that it asks for that it is not found out
    /// whether one of them denies some of it.
    #[error("it asks for so much at once that too many rules would have to be looked at")]
    TooBroad,
    /// The two judges differ, or one of them failed: an alarm, and a refusal.
    #[error("the judges disagree")]
    Disagreement,
    /// A rule that would allow it is suspended, since the judges have differed about it.
    #[error("a rule that would allow it is suspended")]
    Suspended,
}

impl Refusal {
    /// The word for records and JSON.
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
    /// Whether the rules alone refuse, and nothing else.
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
