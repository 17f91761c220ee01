//! What one rule lets one subject do at one interface.

use doorward_model::{Action, Path, Role, Subject};
use jiff::Timestamp;

use super::asked::AskedOperand;
use super::naming::Naming;
use crate::pattern::{Numbers, Pattern};
use crate::question::Context;
use crate::rule::{Effect, Rule};

/// What one rule lets one subject do at one interface.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who may do it.
    pub subject: Subject,
    /// The interface, as `plc-3/modbus`; `gateway` for the administration.
    pub interface: String,
    /// The action.
    pub action: Action,
    /// What follows the interface's name; empty where nothing follows.
    pub operand: Pattern,
    /// What other rules take off.
    pub except: Vec<Exclusion>,
    /// The rule's line in `policy.csv`.
    pub rule: usize,
    /// When the grant ends by itself: the end of a membership that it rests on, or of the rule.
    pub until: Option<Timestamp>,
    /// The roles through which the subject has it: a role that the subject has, then the roles that
    /// lead to the one that the rule names. Empty if the rule names the subject.
    pub via: Vec<Role>,
    /// Whether it permits all that the review asks for there, as far as its conditions hold.
    pub whole: bool,
    pub(super) granted: Rule,
    pub(super) naming: Naming,
}

/// What another rule takes off a grant.
#[derive(Clone, Debug)]
pub struct Exclusion {
    /// What follows the interface's name.
    pub operand: Pattern,
    /// The rule's line in `policy.csv`.
    pub rule: usize,
    /// Whether the rule is an allow rule that is suspended: whatever it would allow is denied.
    pub suspended: bool,
    pub(super) excluded: Rule,
}

impl Grant {
    /// Returns the rule's conditions; empty if it has none.
    #[must_use]
    pub fn when(&self) -> String {
        self.granted.when().to_string()
    }

    /// Returns the rule's path, with the interface's name.
    pub(crate) fn path(&self) -> &Pattern {
        self.granted.path()
    }

    /// Returns whether the grant permits its action on all that `path` names, in `context`.
    /// `aliases` are the other names of the same thing.
    #[must_use]
    pub fn permits(&self, path: &Path, aliases: &[Path], context: &Context) -> bool {
        self.granted.path().covers(path)
            && self.granted.when().holds(context).applies(Effect::Allow)
            && !self.except.iter().any(|one| one.denies(path, aliases, context))
    }

    /// Returns whether the grant permits whatever `other` permits. Both are grants of one action to
    /// one subject, at interfaces that read operations alike.
    pub(super) fn includes(&self, other: &Self) -> bool {
        let lasts = match (self.until, other.until) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => mine >= theirs,
        };
        lasts
            && self.operand.includes_as(&other.operand, self.naming.numbers)
            && self.granted.when().includes(other.granted.when())
            && self.except.iter().all(|mine| {
                other.except.iter().any(|theirs| theirs.includes(mine, self.naming.numbers))
                    || !self.naming.may_meet(&mine.operand, &other.operand)
            })
    }

    /// Returns a text that only grants of the same meaning share, at one place and for one subject.
    pub(super) fn meaning(&self) -> String {
        let Self { action, granted, until, except, .. } = self;
        let mut text = format!("{action} {until:?} {granted}");
        for Exclusion { excluded, suspended, .. } in except {
            text.push_str(&format!(", {suspended} {excluded}"));
        }
        text
    }

    /// Returns whether both grants are of one action, and name some operation in common.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.action == other.action
            && self.operand.common(&other.operand, self.naming.numbers).is_some()
    }

    /// Leaves out what the review does not ask for, and what conditions exclude under what is supposed.
    /// Sets `whole`. `None` if the grant permits nothing of the rest.
    pub(super) fn narrowed(
        mut self,
        asked: &AskedOperand,
        supposed: &(Context, bool),
    ) -> Option<Self> {
        let (context, timed) = supposed;
        if self.granted.when().fails(context, *timed) {
            return None;
        }
        self.except.retain(|one| one.suspended || !one.excluded.when().fails(context, *timed));
        let always = |one: &Exclusion| one.suspended || one.excluded.when().is_met(context, *timed);
        match asked {
            AskedOperand::Pattern(pattern) => {
                let numbers = self.naming.numbers;
                let common = self.operand.common(pattern, numbers)?;
                let naming = self.naming;
                self.except.retain(|one| naming.may_meet(&one.operand, &common));
                let gone =
                    |one: &Exclusion| always(one) && one.operand.includes_as(&common, numbers);
                if self.except.iter().any(gone) {
                    return None;
                }
                self.whole = self.except.is_empty() && self.operand.includes_as(pattern, numbers);
                Some(self)
            }
            AskedOperand::Operation { path, aliases } => {
                if !self.granted.path().covers(path) {
                    return None;
                }
                self.except.retain(|one| one.meets(path, aliases));
                self.whole = self.except.is_empty();
                (!self.except.iter().any(always)).then_some(self)
            }
        }
    }
}

impl Exclusion {
    /// Returns the conditions under which the rule takes that off; empty if it always does.
    #[must_use]
    pub fn when(&self) -> String {
        // A suspended rule denies whatever it would allow, under any conditions.
        if self.suspended { String::new() } else { self.excluded.when().to_string() }
    }

    /// Returns whether the exclusion takes off some of what `path` names, if its conditions hold.
    fn meets(&self, path: &Path, aliases: &[Path]) -> bool {
        if self.suspended {
            // It would have to cover everything to allow it.
            return self.excluded.path().covers(path);
        }
        std::iter::once(path).chain(aliases).any(|name| self.excluded.path().overlaps(name))
    }

    /// Returns whether the exclusion takes off some of what `path` names, in `context`.
    fn denies(&self, path: &Path, aliases: &[Path], context: &Context) -> bool {
        let applies = self.suspended || self.excluded.when().holds(context).applies(Effect::Deny);
        applies && self.meets(path, aliases)
    }

    /// Returns whether the exclusion takes off whatever `other` takes off.
    fn includes(&self, other: &Self, numbers: Numbers) -> bool {
        let (mine, others) = (self.excluded.when(), other.excluded.when());
        let kind = match (self.suspended, other.suspended) {
            (true, true) => true,
            // It would have to take off what the other meets in part.
            (true, false) => false,
            (false, true) => mine.is_empty(),
            (false, false) => mine.includes(others),
        };
        kind && self.operand.includes_as(&other.operand, numbers)
    }
}

/// Returns the earlier of two ends; `None` is no end.
pub(super) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
