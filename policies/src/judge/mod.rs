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
use crate::compiled::{Entry, Extent, Found, Ids, Ref, Step, Steps};
use crate::held::Held;
use crate::question::{Context, Question};

pub(crate) use casbin::permits as casbin_permits;
pub(crate) use referee::rulings;
pub(crate) use verdict::{Search, Verdict, verdict_of};

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
    /// asked for, or those that deny some of it, by whatever name. Some may be found twice. If it
    /// runs out of steps, there may be others.
    pub(crate) fn find(
        &self,
        effect: Effect,
        steps: &mut Steps,
        found: &mut impl FnMut(Ref, &Entry) -> Found,
    ) {
        let path = &self.question.resource.path;
        let step = self.find_to((effect, Extent::of(effect)), path, steps, found);
        match (effect, step) {
            (Effect::Allow, _) | (Effect::Deny, Step::Break(())) => {}
            (Effect::Deny, Step::Continue(())) => {
                let to = (effect, Extent::Some);
                let mut names = self.aliases.iter();
                while let Some(name) = names.next()
                    && self.find_to(to, name, steps, found).is_continue()
                {}
            }
        }
    }

    /// Finds the rules that reach so much of what is asked for, conditions aside.
    pub(crate) fn find_to(
        &self,
        extent: (Effect, Extent),
        path: &Path,
        steps: &mut Steps,
        found: &mut impl FnMut(Ref, &Entry) -> Found,
    ) -> Step {
        let (compiled, question) = (self.bundle.compiled(), self.question);
        let own = compiled.subject(&question.subject);
        let whos = Ids { of: &self.whos, own };
        let ons = Ids { of: &self.ons, own: compiled.device(&question.resource.device) };
        compiled.find(extent, (whos, ons, question.action), path, steps, found)
    }

    /// The rules behind `refs`, as they were written.
    pub(crate) fn rules(&self, refs: impl IntoIterator<Item = Ref>) -> Vec<Rule> {
        refs.into_iter().filter_map(|one| self.bundle.compiled().rule(one)).collect()
    }
}
