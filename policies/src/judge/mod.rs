//! The two judges of a question.
//!
//! [`verdict`] asks the compiled form: what, why and until when. [`casbin`] is casbin-rs itself, on
//! the model of `model.conf` and the rules that bear on the question. An admission needs both.
//! What the compiled form decides alone, the [`referee`] looks at later, in part.

mod casbin;
mod referee;
mod verdict;

use std::borrow::Cow;

use doorward_model::{Group, Path, Role};

use crate::bundle::{Bundle, Effect, Rule};
use crate::compiled::{Entry, Extent, Found, Ids, Limit, Ref, Step, Steps};
use crate::held::Held;
use crate::question::{Context, Question};

pub(crate) use casbin::permits as casbin_permits;
pub(crate) use referee::rulings;
pub(crate) use verdict::{Search, Verdict, verdict_of};

#[cfg(test)]
thread_local! {
    static WALKS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How often this thread has looked for rules.
#[cfg(test)]
pub(crate) fn walks() -> usize {
    WALKS.get()
}

/// A question with all that bears on it: the part of a snapshot that a judge gets to see.
pub(crate) struct Case<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) question: &'a Question,
    /// Other names of what is asked for, which rules that deny may use.
    pub(crate) aliases: &'a [Path],
    pub(crate) context: Context,
    roles: &'a Held<Role>,
    groups: &'a Held<Group>,
    /// The numbers of the roles and groups of that instant.
    whos: Cow<'a, [u32]>,
    ons: Cow<'a, [u32]>,
}

/// How far a search has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// All rules were looked at.
    All,
    /// As many were found as were wanted.
    Enough,
    /// It ran out of steps: there may be others.
    NotAll,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        bundle: &'a Bundle,
        (question, aliases): (&'a Question, &'a [Path]),
        context: Context,
        roles: &'a Held<Role>,
        groups: &'a Held<Group>,
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
        found: &mut impl FnMut(Ref, &Entry) -> Found,
    ) -> bool {
        let aliases = match effect {
            Effect::Allow => &[],
            Effect::Deny => self.aliases,
        };
        let extent = (effect, Extent::of(effect));
        for name in std::iter::once(&self.question.resource.path).chain(aliases) {
            match self.find_to(extent, name, limit, found) {
                Looked::All => {}
                Looked::Enough => return true,
                Looked::NotAll => return false,
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
        found: &mut impl FnMut(Ref, &Entry) -> Found,
    ) -> Looked {
        #[cfg(test)]
        WALKS.set(WALKS.get() + 1);
        let (compiled, question) = (self.bundle.compiled(), self.question);
        let own = compiled.subject(&question.subject);
        let whos = Ids { of: &self.whos, own };
        let ons = Ids { of: &self.ons, own: compiled.device(&question.resource.device) };
        let mut steps = Steps::of(limit, path);
        let asked = (whos, ons, question.action);
        match compiled.find(extent, asked, path, &mut steps, found) {
            _ if steps.ran_out() => Looked::NotAll,
            Step::Continue(()) => Looked::All,
            Step::Break(()) => Looked::Enough,
        }
    }

    /// The rules behind `refs`, as they were written.
    pub(crate) fn rules(&self, refs: impl IntoIterator<Item = Ref>) -> Vec<Rule> {
        refs.into_iter().filter_map(|one| self.bundle.compiled().rule(one)).collect()
    }
}
