//! A committed change, and what it touched.

use std::collections::HashSet;
use std::hash::Hash;
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
/// own snapshot. A kind of touching that this program does not know is an error, because a follower
/// that skipped it would decide by a wrong snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The suspended lines of the bundle in force, and so every subject.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspensions: bool,
}

impl Touched {
    /// Returns whether the change touched nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another change touched.
    pub fn join(&mut self, other: Self) {
        let Self { bundle, subjects, devices, certificates, suspensions } = other;
        self.bundle |= bundle;
        self.suspensions |= suspensions;
        join(&mut self.subjects, subjects);
        join(&mut self.devices, devices);
        join(&mut self.certificates, certificates);
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
            || self.suspensions
            || request.proof.certificate().is_some_and(|id| self.certificates.contains(id))
            || self.devices.iter().any(is_device)
            || self.subjects.iter().any(|subject| {
                *subject == question.subject
                    || (subject.kind() == Kind::Device && is_device(subject.name()))
            })
    }
}

/// Adds the values that are not there yet.
fn join<T: Clone + Eq + Hash>(all: &mut Vec<T>, more: Vec<T>) {
    let known: HashSet<T> = all.iter().cloned().collect();
    all.extend(more.into_iter().filter(|one| !known.contains(one)));
}

/// A component that is told of each commit: after the new snapshot is published, before the change
/// is acknowledged, and in the order of epochs.
pub trait Observer: Send + Sync {
    /// Handles a commit that has been published. Returns how many live flows it ended.
    fn committed(&self, commit: &Commit, snapshot: &Arc<Snapshot>) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_union_of_two_changes_names_everything_once() {
        let subject = |text: &str| text.parse::<Subject>().unwrap();
        let touched = |subjects: &[&str], bundle, suspensions| Touched {
            bundle,
            subjects: subjects.iter().map(|one| subject(one)).collect(),
            devices: subjects.iter().map(|one| subject(one).name().clone()).collect(),
            suspensions,
            ..Touched::default()
        };
        let mut union = touched(&["device/a", "device/b"], false, true);
        union.join(touched(&["device/b", "device/c"], true, false));
        assert_eq!(union, touched(&["device/a", "device/b", "device/c"], true, true));
    }
}
