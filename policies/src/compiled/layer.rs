use std::sync::Arc;

use super::Part;
use super::cells::{Cells, Entry, Placed};
use super::conditions::Conditions;
use super::texts::{Texts, parts};
use super::tree::Tree;
use crate::bundle::{Effect, Line, Reason, read_rule};

/// Rules that were compiled together.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) allow: Side,
    pub(crate) deny: Side,
    /// The rules in the order of their lines.
    order: Vec<Number>,
}

/// The rules of one effect.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) tree: Tree,
    pub(crate) cells: Cells,
}

/// A rule of a layer: its effect, and its number among those of that effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Number(u32);

impl Number {
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

/// The names in the first two columns of rules.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) whos: Arc<Texts>,
    pub(crate) ons: Arc<Texts>,
}

impl Layer {
    pub(crate) fn side(&self, effect: Effect) -> &Side {
        match effect {
            Effect::Allow => &self.allow,
            Effect::Deny => &self.deny,
        }
    }

    /// How many rules there are.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn entry(&self, number: Number) -> Option<&Entry> {
        self.side(number.effect()).cells.entry(number.within())
    }

    pub(crate) fn placed(&self, number: Number) -> Option<Placed> {
        self.side(number.effect()).cells.placed(number.within())
    }

    /// The rules in the order of their lines.
    pub(crate) fn in_order(&self) -> &[Number] {
        &self.order
    }

    /// The rule on a line, if there is one.
    pub(crate) fn on_line(&self, line: u32) -> Option<Number> {
        let line_of = |number: &Number| self.entry(*number).map_or(0, |entry| entry.line);
        let at = self.order.binary_search_by_key(&line, line_of).ok()?;
        self.order.get(at).copied()
    }

    /// The bytes that the rules hold.
    pub(crate) fn bytes(&self) -> usize {
        let side = |side: &Side| side.tree.bytes() + side.cells.bytes();
        side(&self.allow) + side(&self.deny) + self.order.capacity() * size_of::<Number>()
    }
}

/// Compiles rules, line by line.
pub(crate) struct Builder {
    whos: Texts,
    ons: Texts,
    conditions: Conditions,
    allow: Half,
    deny: Half,
}

struct Half {
    tree: Tree,
    rules: Vec<Placed>,
}

impl Half {
    fn new() -> Self {
        Self { tree: Tree::new(), rules: vec![] }
    }

    fn finish(mut self) -> Side {
        let cells = Cells::of(self.rules);
        self.tree.complete(&cells);
        Side { tree: self.tree, cells }
    }
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self::with(Texts::default(), Texts::default(), Conditions::new())
    }

    /// A builder whose names and conditions go on where those of another layer end.
    pub(crate) fn above(words: &Words, conditions: &Arc<Conditions>) -> Self {
        let (whos, ons) = (Texts::above(&words.whos), Texts::above(&words.ons));
        Self::with(whos, ons, Conditions::above(conditions))
    }

    fn with(whos: Texts, ons: Texts, conditions: Conditions) -> Self {
        Self { whos, ons, conditions, allow: Half::new(), deny: Half::new() }
    }

    /// Adds the rule on a line.
    pub(crate) fn add(&mut self, line: &Line<'_>) -> Result<(), (usize, Reason)> {
        let Self { whos, ons, conditions, allow, deny } = self;
        let known = |texts: &Texts, text: &str| {
            let (kind, name) = parts(text);
            texts.find(kind, name)
        };
        let rule = read_rule(line, |who| known(whos, who), |on| known(ons, on))?;
        let number = |texts: &mut Texts, field: Result<u32, &str>| match field {
            Ok(number) => number,
            Err(text) => {
                let (kind, name) = parts(text);
                texts.enter(kind, name)
            }
        };
        let (who, on) = (number(whos, rule.who), number(ons, rule.on));
        let half = match rule.effect {
            Effect::Allow => allow,
            Effect::Deny => deny,
        };
        let (place, range) =
            half.tree.enter(rule.path.text).map_err(|error| (rule.path.column, error.into()))?;
        let when =
            conditions.enter(rule.when.text).map_err(|error| (rule.when.column, error.into()))?;
        let line = u32::try_from(line.number).unwrap_or(u32::MAX);
        half.rules.push(Placed { place, who, on, line, when, acts: rule.acts, range });
        Ok(())
    }

    /// The layer of what has been added, with its names and conditions.
    pub(crate) fn finish(mut self) -> Part {
        let (allow, deny) = (self.allow.finish(), self.deny.finish());
        let of = |effect, side: &Side| {
            let number =
                move |(number, entry): (u32, &Entry)| (entry.line, Number::of(effect, number));
            side.cells.entries().map(number).collect::<Vec<_>>()
        };
        let mut lines = of(Effect::Allow, &allow);
        lines.extend(of(Effect::Deny, &deny));
        lines.sort_unstable();
        let order = lines.iter().map(|(_, number)| *number).collect();
        self.whos.shrink();
        self.ons.shrink();
        let words = Words { whos: Arc::new(self.whos), ons: Arc::new(self.ons) };
        let layer = Layer { allow, deny, order };
        Part { words, conditions: Arc::new(self.conditions), layer }
    }
}
