//! Compiles the rules of a bundle, row by row.

use std::sync::Arc;

use super::cells::Cells;
use super::conditions::Conditions;
use super::entry::{PlacedRule, RuleEntry};
use super::kinds::RuleKinds;
use super::layer::{EffectRules, Layer, RuleNumber};
use super::part::{CompiledPart, RuleNames};
use super::texts::{Texts, parts};
use super::tree::Tree;
use crate::pattern::NumberRange;
use crate::rule::{Effect, Reason, TableRow, read_columns};

/// The most nodes that the paths of one effect may make, some sixty bytes each. A few million rules
/// have as many.
pub(crate) const MAX_NODES: u32 = 1 << 24;

/// A builder of a [`CompiledPart`] from the rows of `policy.csv`.
pub(crate) struct Builder {
    whos: Texts,
    ons: Texts,
    conditions: Conditions,
    allow: EffectBuilder,
    deny: EffectBuilder,
    /// [`MAX_NODES`], but in tests.
    max_nodes: u32,
}

struct EffectBuilder {
    tree: Tree,
    rules: Vec<PlacedRule>,
}

impl EffectBuilder {
    fn new() -> Self {
        Self { tree: Tree::new(), rules: vec![] }
    }

    fn finish(mut self, effect: Effect) -> EffectRules {
        let numbers = self.tree.put_in_order();
        for rule in &mut self.rules {
            rule.node = numbers.get(rule.node as usize).copied().unwrap_or(rule.node);
        }
        let cells = Cells::of(self.rules);
        self.tree.complete(&cells);
        let kinds = RuleKinds::of(&self.tree, &cells, effect);
        EffectRules { tree: self.tree, cells, kinds }
    }
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::with(Texts::default(), Texts::default(), Conditions::new())
    }

    /// Returns a builder whose names and conditions continue those of another part.
    pub(crate) fn above(names: &RuleNames, conditions: &Arc<Conditions>) -> Self {
        let (whos, ons) = (Texts::above(&names.whos), Texts::above(&names.ons));
        Self::with(whos, ons, Conditions::above(conditions))
    }

    fn with(whos: Texts, ons: Texts, conditions: Conditions) -> Self {
        let (allow, deny) = (EffectBuilder::new(), EffectBuilder::new());
        Self { whos, ons, conditions, allow, deny, max_nodes: MAX_NODES }
    }

    #[cfg(test)]
    pub(crate) fn bounded(max_nodes: u32) -> Self {
        Self { max_nodes, ..Self::new() }
    }

    /// Adds the rule of a row.
    ///
    /// # Errors
    /// The column and the reason if the row is no rule.
    pub(crate) fn add(&mut self, line: &TableRow<'_>) -> Result<(), (usize, Reason)> {
        let Self { whos, ons, conditions, allow, deny, max_nodes } = self;
        let known = |texts: &Texts, text: &str| {
            let (kind, name) = parts(text);
            texts.find(kind, name)
        };
        let rule = read_columns(line, |who| known(whos, who), |on| known(ons, on))?;
        let number = |texts: &mut Texts, field: Result<u32, &str>| match field {
            Ok(number) => number,
            Err(text) => {
                let (kind, name) = parts(text);
                texts.enter(kind, name)
            }
        };
        let (who, on) = (number(whos, rule.who), number(ons, rule.on));
        let builder = match rule.effect {
            Effect::Allow => allow,
            Effect::Deny => deny,
        };
        if builder.tree.count() > *max_nodes {
            return Err((rule.path.column, Reason::TooManyNodes(*max_nodes)));
        }
        let (node, range) = builder
            .tree
            .insert(rule.path.text)
            .map_err(|error| (rule.path.column, error.into()))?;
        let when =
            conditions.enter(rule.when.text).map_err(|error| (rule.when.column, error.into()))?;
        let line = u32::try_from(line.number).unwrap_or(u32::MAX);
        let range = range.unwrap_or(NumberRange::ZERO);
        builder.rules.push(PlacedRule { node, who, on, line, when, acts: rule.acts, range });
        Ok(())
    }

    /// Returns the rules that were added, with their names and conditions.
    pub(crate) fn finish(mut self) -> CompiledPart {
        let allow = self.allow.finish(Effect::Allow);
        let deny = self.deny.finish(Effect::Deny);
        let of = |effect, side: &EffectRules| {
            let number = move |(number, entry): (u32, &RuleEntry)| {
                (entry.line, RuleNumber::of(effect, number))
            };
            side.cells.entries().map(number).collect::<Vec<_>>()
        };
        let mut lines = of(Effect::Allow, &allow);
        lines.extend(of(Effect::Deny, &deny));
        lines.sort_unstable();
        let order = lines.iter().map(|(_, number)| *number).collect();
        self.whos.shrink();
        self.ons.shrink();
        let names = RuleNames { whos: Arc::new(self.whos), ons: Arc::new(self.ons) };
        let layer = Layer { allow, deny, order };
        CompiledPart { names, conditions: Arc::new(self.conditions), layer }
    }
}
