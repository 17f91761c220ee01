//! The rules of a bundle or of its edits, by effect.

use doorward_model::Path;

use super::cells::Cells;
use super::control::{SearchControl, SearchFlow};
use super::entry::{PlacedRule, RuleEntry};
use super::ids::RuleQuery;
use super::kinds::RuleKinds;
use super::steps::Steps;
use super::tree::Tree;
use crate::rule::Effect;

/// Rules that were compiled together.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) allow: EffectRules,
    pub(crate) deny: EffectRules,
    /// All rules, sorted by line.
    pub(super) order: Vec<RuleNumber>,
}

/// The rules of one effect.
#[derive(Debug)]
pub(crate) struct EffectRules {
    pub(crate) tree: Tree,
    pub(crate) cells: Cells,
    pub(super) kinds: RuleKinds,
}

/// The number of a rule in a layer: its effect, and its number among the rules of that effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RuleNumber(u32);

impl RuleNumber {
    const DENY: u32 = 1 << 31;

    pub(crate) fn of(effect: Effect, number: u32) -> Self {
        match effect {
            Effect::Allow => Self(number),
            Effect::Deny => Self(number | Self::DENY),
        }
    }

    pub(crate) fn effect(self) -> Effect {
        if self.0 & Self::DENY == 0 { Effect::Allow } else { Effect::Deny }
    }

    fn within(self) -> u32 {
        self.0 & !Self::DENY
    }
}

/// How much of the set that a path names a rule must reach to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: what an allow rule must reach.
    All,
    /// Some of it: enough for a deny rule.
    Some,
}

impl Extent {
    /// Returns how much a rule of that effect must reach to bear on a question.
    pub(crate) fn of(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::All,
            Effect::Deny => Self::Some,
        }
    }
}

impl EffectRules {
    /// Finds the rules that reach `extent` of `path`, node by node.
    pub(crate) fn find_by_node(
        &self,
        extent: Extent,
        path: &Path,
        asked: RuleQuery<'_>,
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &RuleEntry) -> SearchControl,
    ) -> SearchFlow {
        let mut go =
            |node, filter, steps: &mut Steps| self.cells.find((node, filter), asked, steps, found);
        match extent {
            Extent::All => self.tree.covering(path, asked.2, steps, &mut go),
            Extent::Some => self.tree.overlapping(path, asked.2, steps, &mut go),
        }
    }

    /// Finds the rules that meet a wide `path`, kind by kind; or, if that runs out of steps, node
    /// by node. It may find a rule twice.
    pub(crate) fn find(
        &self,
        path: &Path,
        asked: RuleQuery<'_>,
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &RuleEntry) -> SearchControl,
    ) -> SearchFlow {
        let step = self.kinds.find((&self.tree, &self.cells), path, asked, steps, found);
        if !steps.ran_out() {
            return step;
        }
        steps.use_spare();
        if steps.ran_out() {
            return step;
        }
        self.find_by_node(Extent::Some, path, asked, steps, found)
    }
}

impl Layer {
    pub(crate) fn of_effect(&self, effect: Effect) -> &EffectRules {
        match effect {
            Effect::Allow => &self.allow,
            Effect::Deny => &self.deny,
        }
    }

    /// Returns how many rules there are.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn entry(&self, number: RuleNumber) -> Option<&RuleEntry> {
        self.of_effect(number.effect()).cells.entry(number.within())
    }

    pub(crate) fn placed(&self, number: RuleNumber) -> Option<PlacedRule> {
        self.of_effect(number.effect()).cells.placed(number.within())
    }

    /// Returns the rules, sorted by line.
    pub(crate) fn in_order(&self) -> &[RuleNumber] {
        &self.order
    }

    /// Returns the rule on a line.
    pub(crate) fn on_line(&self, line: u32) -> Option<RuleNumber> {
        let line_of = |number: &RuleNumber| self.entry(*number).map_or(0, |entry| entry.line);
        let at = self.order.binary_search_by_key(&line, line_of).ok()?;
        self.order.get(at).copied()
    }

    /// Returns how many bytes of memory the rules take.
    pub(crate) fn bytes(&self) -> usize {
        let rules =
            |rules: &EffectRules| rules.tree.bytes() + rules.cells.bytes() + rules.kinds.bytes();
        rules(&self.allow) + rules(&self.deny) + self.order.capacity() * size_of::<RuleNumber>()
    }
}

#[cfg(test)]
mod tests;
