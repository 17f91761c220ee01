//! A committed change, and whom it touched.

use std::sync::Arc;

use doorward_model::{CertificateId, Device, Epoch, Kind, Name, Subject};
use serde::{Deserialize, Serialize};

use crate::question::Request;
use crate::snapshot::Snapshot;

/// One committed change: its number, and whom it touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The number of the change.
    pub epoch: Epoch,
    /// What it touched.
    pub touched: Touched,
}

/// What a change touched. It stands in the epoch log, and is all that a follower needs to
/// bring its own snapshot up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// The bundle, and so everyone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bundle: bool,
    /// Subjects that came, went, were turned on or off, or changed membership.
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
    /// Whether nothing was touched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the answer to `request` could be another after the change.
    #[must_use]
    pub fn concerns(&self, request: &Request) -> bool {
        let question = &request.question;
        let is_device = |device: &Name| match &question.resource.device {
            Device::Named(name) => name == device,
            Device::Gateway => false,
        };
        self.bundle
            || self.certificates.contains(&request.certificate)
            || self.devices.iter().any(is_device)
            || self.subjects.iter().any(|subject| {
                *subject == question.subject
                    || (subject.kind() == Kind::Device && is_device(subject.name()))
            })
    }
}

/// Who must hear of a commit. Called after the new snapshot is published and before the
/// change is acknowledged, in the order of epochs.
pub trait Observer: Send + Sync {
    /// The change has been committed and published. Returns how many live flows it ended.
    fn committed(&self, commit: &Commit, snapshot: &Arc<Snapshot>) -> usize;
}
