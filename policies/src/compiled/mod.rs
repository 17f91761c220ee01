//! The compiled form of a bundle's rules: finds the few rules that bear on a question among any
//! number of rules.
//!
//! ```text
//! question ─path→ nodes of the tree ─who, what→ cells ─action, range→ runs ─when→ verdict
//! ```
//!
//! A bundle is compiled once, into a base. A later bundle that differs in few lines shares the
//! base. It adds a small layer with the new rules, and a list of the rules of the base that are
//! gone. [`crate::judge`] compares the results with Casbin's.

mod builder;
mod cells;
mod conditions;
mod control;
mod edits;
mod entry;
mod ids;
mod kinds;
mod layer;
mod node;
mod node_index;
mod order;
mod packed_range;
mod part;
mod range_filter;
mod run;
mod steps;
mod texts;
mod tree;
mod walk;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use doorward_model::{Action, Device, Path, Subject};
use jiff::SignedDuration;

use crate::rule::{BundleErrors, Effect, Rule};
use crate::when::When;
pub(crate) use builder::Builder;
#[cfg(test)]
pub(crate) use builder::MAX_NODES;
pub(crate) use conditions::ALWAYS;
pub(crate) use control::{SearchControl, SearchFlow};
pub(crate) use edits::Hunk;
pub(crate) use entry::RuleEntry;
pub(crate) use ids::Ids;
pub(crate) use layer::Extent;
pub(crate) use steps::{Limit, Steps};

use conditions::Conditions;
use edits::Edits;
use layer::{Layer, RuleNumber};
use part::{CompiledPart, RuleNames};

/// The compiled rules of a bundle.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    base: Arc<CompiledPart>,
    edits: Option<Arc<Edits>>,
}

/// A reference to a rule of a compiled bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RuleRef {
    edited: bool,
    number: RuleNumber,
}

impl Compiled {
    /// Compiles the rules that a builder has gathered.
    pub(crate) fn of(builder: Builder) -> Self {
        Self { base: Arc::new(builder.finish()), edits: None }
    }

    /// Returns these rules with `hunks` applied, at a cost in proportion to all edits so far.
    /// Returns `None` if so many lines were edited that compiling all rules anew is better.
    pub(crate) fn edited(&self, hunks: &[Hunk<'_>], errors: &mut BundleErrors) -> Option<Self> {
        let edits = edits::edited(&self.base, self.edits.as_deref(), hunks, errors)?;
        Some(Self { base: Arc::clone(&self.base), edits: Some(Arc::new(edits)) })
    }

    fn gone(&self) -> Option<&HashSet<RuleNumber>> {
        self.edits.as_ref().map(|edits| &edits.gone).filter(|gone| !gone.is_empty())
    }

    fn layers(&self) -> impl Iterator<Item = (bool, &Layer)> {
        let edits = self.edits.as_ref().map(|edits| (true, &edits.part.layer));
        [(false, &self.base.layer)].into_iter().chain(edits)
    }

    /// Returns the names. Those of the edits continue those of the base.
    fn names(&self) -> &RuleNames {
        self.edits.as_ref().map_or(&self.base.names, |edits| &edits.part.names)
    }

    fn conditions(&self) -> &Conditions {
        self.edits.as_ref().map_or(&self.base.conditions, |edits| &edits.part.conditions)
    }

    /// Returns how many rules there are.
    pub(crate) fn len(&self) -> usize {
        let edited = self.edits.as_ref().map_or(0, |edits| edits.part.layer.len());
        self.base.layer.len() - self.gone().map_or(0, HashSet::len) + edited
    }

    /// Finds the rules of that effect that speak of one of `whos`, one of `ons` and `action`, and
    /// that reach `extent` of `path`. It may find a rule twice. If it runs out of steps, it may
    /// have missed rules.
    pub(crate) fn find(
        &self,
        (effect, extent): (Effect, Extent),
        (whos, ons, action): (Ids<'_>, Ids<'_>, Action),
        path: &Path,
        steps: &mut Steps,
        found: &mut impl FnMut(RuleRef, &RuleEntry) -> SearchControl,
    ) -> SearchFlow {
        let asked = (whos, ons, action);
        for (edited, layer) in self.layers() {
            let rules = layer.of_effect(effect);
            if !rules.cells.speak_of_any(whos) {
                continue;
            }
            let gone = if edited { None } else { self.gone() };
            let mut one = |number: u32, entry: &RuleEntry| {
                let number = RuleNumber::of(effect, number);
                match gone {
                    Some(gone) if gone.contains(&number) => SearchControl::Next,
                    _ => found(RuleRef { edited, number }, entry),
                }
            };
            match extent {
                Extent::Some if path.is_wide() => rules.find(path, asked, steps, &mut one)?,
                Extent::All | Extent::Some => {
                    rules.find_by_node(extent, path, asked, steps, &mut one)?
                }
            }
        }
        SearchFlow::Continue(())
    }

    /// Returns the conditions of a number. `None` would be a number of another bundle; callers then
    /// let a deny rule apply, and an allow rule not.
    pub(crate) fn when(&self, number: u32) -> Option<&When> {
        self.conditions().get(number).map(|when| &**when)
    }

    /// Returns the handshake ages that conditions ask for.
    pub(crate) fn ages(&self) -> BTreeSet<SignedDuration> {
        self.conditions().all().flat_map(When::ages).collect()
    }

    /// Returns the line of a rule in the present text.
    pub(crate) fn line(&self, rule: RuleRef) -> u32 {
        let line = |layer: &Layer| layer.entry(rule.number).map_or(0, |entry| entry.line);
        match &self.edits {
            Some(edits) if rule.edited => line(&edits.part.layer),
            Some(edits) => edits.moves.now(line(&self.base.layer)),
            None => line(&self.base.layer),
        }
    }

    /// Returns a rule as it was written.
    pub(crate) fn rule(&self, rule: RuleRef) -> Option<Rule> {
        let layer = match &self.edits {
            Some(edits) if rule.edited => &edits.part.layer,
            _ => &self.base.layer,
        };
        let effect = rule.number.effect();
        let placed = layer.placed(rule.number)?;
        let path = layer.of_effect(effect).tree.pattern(placed.node, placed.range);
        let when = Arc::clone(self.conditions().get(placed.when)?);
        let (who, on) = (self.names().whos.get(placed.who), self.names().ons.get(placed.on));
        let line = self.line(rule) as usize;
        Rule::of(line, who, on, path, placed.acts, when, effect)
    }

    /// Yields every rule, in the order of `policy.csv`.
    pub(crate) fn rule_refs(&self) -> impl Iterator<Item = RuleRef> {
        let gone = self.gone();
        let kept = move |number: &&RuleNumber| gone.is_none_or(|gone| !gone.contains(number));
        let base = self.base.layer.in_order().iter().filter(kept);
        let base = base.map(|number| RuleRef { edited: false, number: *number });
        let edited = self.edits.iter().flat_map(|edits| edits.part.layer.in_order());
        let edited = edited.map(|number| RuleRef { edited: true, number: *number });
        let (mut base, mut edited) = (base.peekable(), edited.peekable());
        std::iter::from_fn(move || match (base.peek(), edited.peek()) {
            (Some(one), Some(other)) if self.line(*one) > self.line(*other) => edited.next(),
            (Some(_), _) => base.next(),
            (None, _) => edited.next(),
        })
    }

    /// Returns the number of a subject or role. `kind` is `user/`, `role/` and so on.
    pub(crate) fn who(&self, kind: &str, name: &str) -> Option<u32> {
        self.names().whos.find(kind, name)
    }

    /// Returns the number of a subject.
    pub(crate) fn subject(&self, subject: &Subject) -> Option<u32> {
        self.who(subject.kind().prefix(), subject.name().as_str())
    }

    /// Returns the number of a group.
    pub(crate) fn group(&self, name: &str) -> Option<u32> {
        self.names().ons.find("group/", name)
    }

    /// Returns the number of a device.
    pub(crate) fn device(&self, device: &Device) -> Option<u32> {
        self.names().ons.find("", device.as_str())
    }

    /// Returns whether roles and groups have the same numbers in both.
    pub(crate) fn numbers_like(&self, other: &Self) -> bool {
        let base = |one: &Self| Arc::as_ptr(&one.base);
        let new = |one: &Self| one.edits.as_ref().is_some_and(|edits| edits.names_new);
        base(self) == base(other) && !new(self) && !new(other)
    }

    /// Returns how many bytes of memory the compiled form takes.
    pub(crate) fn bytes(&self) -> usize {
        let layers: usize = self.layers().map(|(_, layer)| layer.bytes()).sum();
        let names = self.names();
        layers + names.whos.bytes() + names.ons.bytes() + self.conditions().bytes()
    }
}
