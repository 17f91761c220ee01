//! What rules grant to subjects, as patterns, and what a change makes of that.

use doorward_model::{Action, Role, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What one rule lets one subject do at one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Who may do it.
    pub subject: Subject,
    /// The interface, as `plc-3/modbus`; `gateway` for the administration.
    pub interface: String,
    /// The action.
    pub action: Action,
    /// The pattern of what follows the interface's name; empty where nothing follows.
    pub operand: String,
    /// What other rules take off again.
    pub except: Vec<ExclusionView>,
    /// The rule's line in `policy.csv`.
    pub rule: usize,
    /// The rule's conditions; empty if it has none.
    pub when: String,
    /// When the grant ends by itself: the end of a membership that it rests on, or of the rule.
    pub until: Option<Timestamp>,
    /// The roles through which the subject has it: a role that the subject has, then the roles that
    /// lead to the one that the rule names. Empty if the rule names the subject.
    pub via: Vec<Role>,
    /// Whether the grant permits everything that was asked about, as far as its conditions hold.
    pub whole: bool,
}

/// What another rule takes off a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExclusionView {
    /// The pattern of what follows the interface's name.
    pub operand: String,
    /// The rule's line in `policy.csv`.
    pub rule: usize,
    /// The conditions under which the rule takes that off; empty if it always does.
    pub when: String,
    /// Whether the rule is an allow rule about which the judges have differed: what it would allow
    /// is denied.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub suspended: bool,
}

/// How many there are, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstOf<T> {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Vec<T>,
}

impl<T> FirstOf<T> {
    /// Returns an empty list.
    #[must_use]
    pub fn none() -> Self {
        Self { count: 0, first: vec![] }
    }
}

/// What a change opens, closes and narrows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantChangesView {
    /// The new grants that no former grant includes.
    pub opened: FirstOf<GrantView>,
    /// The former grants of which nothing is left.
    pub closed: FirstOf<GrantView>,
    /// The former grants of which a part is left.
    pub narrowed: FirstOf<NarrowedView>,
    /// Whether the grants of every subject were compared; of very many, only the first are.
    pub complete: bool,
}

/// A grant of which a change leaves a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NarrowedView {
    /// The grant as it was.
    pub was: GrantView,
    /// The grants that permit something of it from then on.
    pub now: Vec<GrantView>,
}
