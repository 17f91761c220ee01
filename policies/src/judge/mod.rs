//! The two judges of a question.
//!
//! [`verdict`] asks the compiled form: what, why and until when. [`casbin`] is casbin-rs itself, on
//! the model of `model.conf` and the rules that bear on the question. An admission needs both.
//! What the compiled form decides alone, the [`referee`] looks at later, in part.

mod casbin;
mod referee;
mod verdict;

use std::borrow::Cow;

use doorward_model::{Group, Role};

use crate::bundle::{Bundle, Effect, Rule};
use crate::compiled::{Entry, Extent, Found, Ids, Ref};
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
    pub(crate) context: Context,
    roles: &'a Held<Role>,
    groups: &'a Held<Group>,
    /// The numbers of the roles and groups of that instant.
    whos: Cow<'a, [u32]>,
    ons: Cow<'a, [u32]>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        bundle: &'a Bundle,
        question: &'a Question,
        context: Context,
        roles: &'a Held<Role>,
        groups: &'a Held<Group>,
    ) -> Self {
        let (whos, ons) = (roles.numbers(context.now), groups.numbers(context.now));
        Self { bundle, question, context, roles, groups, whos, ons }
    }

    /// Finds the rules that bear on the case, conditions aside.
    pub(crate) fn find(&self, effect: Effect, found: &mut impl FnMut(Ref, &Entry) -> Found) {
        self.find_to(effect, Extent::of(effect), found);
    }

    /// Finds the rules that reach so much of what the case is about, conditions aside.
    pub(crate) fn find_to(
        &self,
        effect: Effect,
        extent: Extent,
        found: &mut impl FnMut(Ref, &Entry) -> Found,
    ) {
        #[cfg(test)]
        WALKS.set(WALKS.get() + 1);
        let (compiled, question) = (self.bundle.compiled(), self.question);
        let own = compiled.subject(&question.subject);
        let whos = Ids { of: &self.whos, own };
        let ons = Ids { of: &self.ons, own: compiled.device(&question.resource.device) };
        let path = &question.resource.path;
        compiled.find((effect, extent), (whos, ons), question.action, path, found);
    }

    /// The rules behind `refs`, as they were written.
    pub(crate) fn rules(&self, refs: impl IntoIterator<Item = Ref>) -> Vec<Rule> {
        refs.into_iter().filter_map(|one| self.bundle.compiled().rule(one)).collect()
    }
}
