//! A question with all that bears on it.

use std::borrow::Cow;

use doorward_model::{Group, Path, Role};

use crate::bundle::Bundle;
use crate::compiled::{Extent, Ids, Limit, RuleEntry, RuleRef, SearchControl, SearchFlow, Steps};
use crate::membership::ResolvedMemberships;
use crate::question::{Context, Question};
use crate::rule::{Effect, Rule};

#[cfg(test)]
thread_local! {
    static SEARCHES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How often this thread has looked for rules.
#[cfg(test)]
pub(crate) fn searches() -> usize {
    SEARCHES.get()
}

/// A question with all that bears on it: the part of a snapshot that a judge gets to see.
pub(crate) struct Case<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) question: &'a Question,
    /// Other names of what is asked for, which rules that deny may use.
    pub(crate) aliases: &'a [Path],
    pub(crate) context: Context,
    pub(super) roles: &'a ResolvedMemberships<Role>,
    pub(super) groups: &'a ResolvedMemberships<Group>,
    /// The numbers of the roles and groups of that instant.
    whos: Cow<'a, [u32]>,
    ons: Cow<'a, [u32]>,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchEnd {
    /// All rules were looked at.
    Complete,
    /// As many were found as were wanted.
    Stopped,
    /// It ran out of steps: there may be others.
    OutOfSteps,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        bundle: &'a Bundle,
        (question, aliases): (&'a Question, &'a [Path]),
        context: Context,
        roles: &'a ResolvedMemberships<Role>,
        groups: &'a ResolvedMemberships<Group>,
    ) -> Self {
        let (whos, ons) = (roles.numbers(context.now), groups.numbers(context.now));
        Self { bundle, question, aliases, context, roles, groups, whos, ons }
    }

    /// Finds the rules that bear on the case, conditions aside: those that allow all of what is
    /// asked for, or those that deny some of it, by whatever name. Some may be found twice. Whether
    /// all were looked at, or as many as `found` has asked for.
    #[must_use]
    pub(crate) fn find(
        &self,
        effect: Effect,
        limit: Limit,
        found: &mut impl FnMut(RuleRef, &RuleEntry) -> SearchControl,
    ) -> bool {
        let aliases = match effect {
            Effect::Allow => &[],
            Effect::Deny => self.aliases,
        };
        let extent = (effect, Extent::of(effect));
        for name in std::iter::once(&self.question.resource.path).chain(aliases) {
            match self.find_to(extent, name, limit, found) {
                SearchEnd::Complete => {}
                SearchEnd::Stopped => return true,
                SearchEnd::OutOfSteps => return false,
            }
        }
        true
    }

    /// Finds the rules that reach so much of what a path names, conditions aside.
    pub(crate) fn find_to(
        &self,
        extent: (Effect, Extent),
        path: &Path,
        limit: Limit,
        found: &mut impl FnMut(RuleRef, &RuleEntry) -> SearchControl,
    ) -> SearchEnd {
        #[cfg(test)]
        SEARCHES.set(SEARCHES.get() + 1);
        let (compiled, question) = (self.bundle.compiled(), self.question);
        let own = compiled.subject(&question.subject);
        let whos = Ids { of: &self.whos, own };
        let ons = Ids { of: &self.ons, own: compiled.device(&question.resource.device) };
        let mut steps = Steps::of(limit, path);
        let asked = (whos, ons, question.action);
        match compiled.find(extent, asked, path, &mut steps, found) {
            _ if steps.ran_out() => SearchEnd::OutOfSteps,
            SearchFlow::Continue(()) => SearchEnd::Complete,
            SearchFlow::Break(()) => SearchEnd::Stopped,
        }
    }

    /// The rules behind `refs`, as they were written.
    pub(crate) fn rules(&self, refs: impl IntoIterator<Item = RuleRef>) -> Vec<Rule> {
        refs.into_iter().filter_map(|one| self.bundle.compiled().rule(one)).collect()
    }
}
