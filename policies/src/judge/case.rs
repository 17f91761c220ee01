//! A question, with the part of a state that a judge needs.

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

/// Returns how often this thread has searched for rules.
#[cfg(test)]
pub(crate) fn searches() -> usize {
    SEARCHES.get()
}

/// A question, with the part of a snapshot that a judge sees.
pub(crate) struct Case<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) question: &'a Question,
    /// Other names of the resource. A deny rule may use any of them.
    pub(crate) aliases: &'a [Path],
    pub(crate) context: Context,
    pub(super) roles: &'a ResolvedMemberships<Role>,
    pub(super) groups: &'a ResolvedMemberships<Group>,
    /// The numbers of the roles and groups at that instant.
    whos: Cow<'a, [u32]>,
    ons: Cow<'a, [u32]>,
}

/// How a search has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchEnd {
    /// It looked at all rules.
    Complete,
    /// The caller stopped it.
    Stopped,
    /// It ran out of steps and may have missed rules.
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

    /// Finds the rules that bear on the case, without their conditions: those that allow all of the
    /// resource, or those that deny some of it under any of its names. It may find a rule twice.
    /// Returns false if it ran out of steps.
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
        // Whatever meets the path meets it in any case as well.
        let own = Some(&self.question.resource.path)
            .filter(|path| !aliases.iter().any(|alias| alias.is_any_case_of(path)));
        for name in own.into_iter().chain(aliases) {
            match self.find_to(extent, name, limit, found) {
                SearchEnd::Complete => {}
                SearchEnd::Stopped => return true,
                SearchEnd::OutOfSteps => return false,
            }
        }
        true
    }

    /// Finds the rules that reach the given extent of a path, without their conditions.
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

    /// Returns the rules of `refs` as they were written.
    pub(crate) fn rules(&self, refs: impl IntoIterator<Item = RuleRef>) -> Vec<Rule> {
        refs.into_iter().filter_map(|one| self.bundle.compiled().rule(one)).collect()
    }
}
