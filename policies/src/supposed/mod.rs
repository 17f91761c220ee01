//! A question with supposed memberships.

mod verdict;

use doorward_model::{Device, Group, Kind, Path, Role, Subject};
use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::membership::ResolvedMemberships;
use crate::membership::{Membership, built_in_group, built_in_role};
use crate::question::{Circumstances, Context, Evidence, Question};

/// A question at an instant, with all that the rules need: the memberships are given here, whatever
/// the state has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supposed {
    pub(crate) question: Question,
    /// Other names of the resource.
    pub(crate) aliases: Vec<Path>,
    /// The direct roles of the subject.
    pub(crate) roles: Vec<Role>,
    /// The direct groups of the device.
    pub(crate) groups: Vec<Group>,
    /// What is known about the subject and the device.
    pub(crate) evidence: Evidence,
    pub(crate) now: Timestamp,
}

impl Supposed {
    /// Returns the question.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Returns the instant of the question.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.now
    }

    /// Adds the built-in roles and groups.
    pub(crate) fn with_built_in(mut self) -> Self {
        self.roles.extend(built_in_role(self.question.subject.kind()));
        if self.question.resource.device != Device::Gateway {
            self.groups.extend(built_in_group());
        }
        self.roles.sort();
        self.roles.dedup();
        self.groups.sort();
        self.groups.dedup();
        self
    }

    pub(crate) fn context(&self) -> Context {
        self.question.context(self.now, self.evidence.clone())
    }

    pub(super) fn resolve(
        &self,
        bundle: &Bundle,
    ) -> (ResolvedMemberships<Role>, ResolvedMemberships<Group>) {
        let roles = self.roles.iter().cloned().map(forever).collect();
        let groups = self.groups.iter().cloned().map(forever).collect();
        (bundle.resolve_roles(roles), bundle.resolve_groups(groups))
    }
}

impl std::fmt::Display for Supposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Question { subject, resource, action, circumstances } = &self.question;
        let Circumstances { source, proven } = circumstances;
        write!(f, "{subject} {action} {resource} at {}", self.now)?;
        if let Some(source) = source {
            write!(f, " from {source}")?;
        }
        if let Some(proven) = proven {
            write!(f, " proven {proven}")?;
        }
        let names = self.roles.iter().map(ToString::to_string);
        let names = names.chain(self.groups.iter().map(ToString::to_string));
        write!(f, " with {}", names.collect::<Vec<_>>().join(" "))
    }
}

fn forever<T>(of: T) -> Membership<T> {
    Membership { of, until: None }
}

/// Returns a subject that no rule names.
pub(crate) fn nobody(bundle: &Bundle) -> Option<Subject> {
    let names = (0_usize..).filter_map(|number| format!("nobody-{number}").parse().ok());
    let mut subjects = names.map(|name| Subject::new(Kind::User, name));
    subjects.find(|subject| !bundle.names_subject(subject))
}
