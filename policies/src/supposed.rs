//! A question with memberships that are supposed.

use doorward_model::{Device, Group, Kind, Path, Role, Subject};
use jiff::Timestamp;

use crate::answer::Judges;
use crate::bundle::Bundle;
use crate::decision::{Opinion, Refusal};
use crate::held::Held;
use crate::judge::{Case, Search, Verdict, verdict_of};
use crate::question::{Context, Question};
use crate::snapshot::{Membership, Snapshot, built_in_group, built_in_role};

/// A question at an instant, with the memberships that count for it, whatever a state says: all
/// that the rules are asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supposed {
    pub(crate) question: Question,
    /// Other names of what is asked for.
    pub(crate) aliases: Vec<Path>,
    /// The roles that the subject is a direct member of.
    pub(crate) roles: Vec<Role>,
    /// The groups that the device is directly in.
    pub(crate) groups: Vec<Group>,
    pub(crate) now: Timestamp,
}

impl Supposed {
    /// A question as the state has it.
    #[must_use]
    pub fn of(question: Question, snapshot: &Snapshot, now: Timestamp) -> Self {
        let standing = snapshot.standing(&question);
        let roles = standing.subject.iter().flat_map(|known| known.roles.direct(now));
        let roles = roles.cloned().collect();
        let groups = standing.device.iter().flat_map(|known| known.groups.direct(now));
        let groups = groups.cloned().collect();
        let aliases = standing.aliases(&question);
        Self { question, aliases, roles, groups, now }
    }

    /// The question.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The instant that it is asked at.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.now
    }

    /// Adds what everybody and every device is in.
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
        self.question.context(self.now)
    }

    /// What the rules say of it.
    pub(crate) fn opinion(&self, judges: Judges, snapshot: &Snapshot) -> Opinion {
        let (roles, groups) = self.held(snapshot.bundle());
        let asked = (&self.question, &self.aliases[..]);
        snapshot.judge_among(judges, asked, None, &roles, &groups, self.now)
    }

    /// Why the compiled form of a bundle refuses it, if it does.
    pub(crate) fn refusal(&self, bundle: &Bundle) -> Option<Refusal> {
        self.verdict(bundle, Search::Few).refusal
    }

    /// The lines of all rules that decide.
    pub(crate) fn deciding(&self, bundle: &Bundle) -> Vec<usize> {
        let deciding = self.verdict(bundle, Search::All).deciding;
        let lines = deciding.iter().map(|rule| bundle.compiled().line(*rule) as usize);
        let mut lines: Vec<usize> = lines.collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }

    fn verdict(&self, bundle: &Bundle, search: Search) -> Verdict {
        let (roles, groups) = self.held(bundle);
        let asked = (&self.question, &self.aliases[..]);
        verdict_of(&Case::new(bundle, asked, self.context(), &roles, &groups), search)
    }

    fn held(&self, bundle: &Bundle) -> (Held<Role>, Held<Group>) {
        let roles = self.roles.iter().cloned().map(forever).collect();
        let groups = self.groups.iter().cloned().map(forever).collect();
        (bundle.roles_held(roles), bundle.groups_held(groups))
    }
}

impl std::fmt::Display for Supposed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Question { subject, resource, action, source, proven } = &self.question;
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

/// A subject of whom no rule speaks by name.
pub(crate) fn nobody(bundle: &Bundle) -> Option<Subject> {
    let names = (0_usize..).filter_map(|number| format!("nobody-{number}").parse().ok());
    let mut subjects = names.map(|name| Subject::new(Kind::User, name));
    subjects.find(|subject| !bundle.names_subject(subject))
}
