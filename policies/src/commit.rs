//! A committed change, and what it touched.

use std::sync::Arc;

use doorward_model::{CertificateId, Device, Epoch, Kind, Name, Subject};
use serde::{Deserialize, Serialize};

use crate::request::Request;
use crate::snapshot::Snapshot;

/// A committed change: its number, and what it touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The number of the change.
    pub epoch: Epoch,
    /// What it touched.
    pub touched: Touched,
}

/// What a change touched. The epoch log stores it, and a follower needs nothing else to update its
/// own snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// The bundle, and so every subject.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bundle: bool,
    /// Subjects that were added, removed, enabled or disabled, or whose memberships changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subject>,
    /// Devices whose interfaces changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Name>,
    /// Certificates that were issued or revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateId>,
}

impl Touched {
    /// Returns whether the change touched nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether the change could alter the answer to `request`.
    #[must_use]
    pub fn concerns(&self, request: &Request) -> bool {
        let question = &request.question;
        let is_device = |device: &Name| match &question.resource.device {
            Device::Named(name) => name == device,
            Device::Gateway => false,
        };
        self.bundle
            || request.proof.certificate().is_some_and(|id| self.certificates.contains(id))
            || self.devices.iter().any(is_device)
            || self.subjects.iter().any(|subject| {
                *subject == question.subject
                    || (subject.kind() == Kind::Device && is_device(subject.name()))
            })
    }
}

/// A component that is told of each commit: after the new snapshot is published, before the change
/// is acknowledged, and in the order of epochs.
pub trait Observer: Send + Sync {
    /// Handles a commit that has been published. Returns how many live flows it ended.
    fn committed(&self, commit: &Commit, snapshot: &Arc<Snapshot>) -> usize;
}
