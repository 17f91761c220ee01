//! What devices and people have in common.

use doorward_model::{Fingerprint, Group, Posture, Role, Serial, Subject, SubjectId, Title};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::interfaces::InterfaceView;

/// A device or a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubjectView {
    /// Its name without its kind.
    pub name: String,
    /// Its name with its kind.
    pub subject: Subject,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<Title>,
    /// The immutable number behind the name.
    pub id: SubjectId,
    /// Whether it may do anything.
    pub enabled: bool,
    /// When it was added.
    pub created: Timestamp,
    /// When its last live certificate ends; `None` while it has none.
    pub identity_until: Option<Timestamp>,
    /// Its roles, besides the one that all of its kind have.
    pub roles: Vec<RoleView>,
    /// The groups of a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Group>>,
    /// Whether the gateway fronts a device that has no agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agentless: Option<bool>,
    /// The interfaces of a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<InterfaceView>>,
    /// Its certificates, where it is shown alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Vec<CertificateView>>,
    /// The last report of a device, where it is shown alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posture: Option<Posture>,
}

/// A role of a device or a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleView {
    /// The role.
    pub role: Role,
    /// When it ends; `None` for a role without an end.
    pub until: Option<Timestamp>,
}

/// A certificate of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateView {
    /// Its serial number.
    pub serial: Serial,
    /// The SHA-256 of its public key.
    pub key: Fingerprint,
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// `live`, `revoked`, `expired` or `not yet valid`.
    pub state: String,
}

/// What a new code is to be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodeRequest {
    /// For how many seconds it is good; an hour unless given.
    pub ttl_seconds: Option<u64>,
}

/// A code, as its maker gets it: once, and never again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCode {
    /// Who it is for.
    pub subject: Subject,
    /// The code; `None` for a device without an agent.
    pub code: Option<String>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// What its maker should know, such as a role that no rule names.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

/// The code is a secret: debug output leaves it out.
impl std::fmt::Debug for IssuedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedCode").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// What somebody who changed a subject should know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarnedAnswer {
    /// Sentences, each about one thing.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

/// What ending an identity did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedAnswer {
    /// How many certificates it revoked.
    pub revoked: usize,
}
