use std::sync::Arc;

use doorward_model::{Action, Path};

use super::Part;
use super::cells::{Cells, Entry, Found, Ids, Placed};
use super::conditions::Conditions;
use super::texts::{Texts, parts};
use super::tree::{Step, Tree};
use crate::bundle::{Effect, Line, Reason, read_rule};
use crate::pattern::Range;

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

/// Who asks, and of what.
pub(crate) type Asked<'a> = (Ids<'a>, Ids<'a>, Action);

/// How much of the set that a path names a rule must reach to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: what rules must that allow.
    All,
    /// Some of it: what is enough for rules that deny.
    Some,
}

impl Extent {
    /// What bears on a question.
    pub(crate) fn of(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::All,
            Effect::Deny => Self::Some,
        }
    }
}

impl Side {
    /// Finds the rules that reach so much of `path`, place by place.
    pub(crate) fn reaching(
        &self,
        extent: Extent,
        path: &Path,
        (whos, ons, action): Asked<'_>,
        found: &mut impl FnMut(u32, &Entry) -> Found,
    ) -> Step {
        let mut go = |place, reach| self.cells.find((place, reach), whos, ons, action, found);
        match extent {
            Extent::All => self.tree.covering(path, action, &mut go),
            Extent::Some => self.tree.meeting(path, action, &mut go),
        }
    }

    /// Finds the rules that reach some of a wide `path`: one by one, if few speak of who asks.
    pub(crate) fn meeting(
        &self,
        path: &Path,
        (whos, ons, action): Asked<'_>,
        found: &mut impl FnMut(u32, &Entry) -> Found,
    ) -> Step {
        let Some(few) = self.cells.few_of(whos, ons) else {
            return self.reaching(Extent::Some, path, (whos, ons, action), found);
        };
        for (place, number, entry) in few {
            let meets = entry.acts.include(action) && self.tree.meets(place, entry.range(), path);
            if meets && matches!(found(number, entry), Found::Enough) {
                return Step::Break(());
            }
        }
        Step::Continue(())
    }
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

/// How many places the paths of one effect make at most: a few million rules have as many. Each is
/// some sixty bytes.
const PLACES: u32 = 1 << 24;

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
        // What is asked about a set of paths may meet very many rules, and few of them speak of
        // whoever asks.
        let cells = Cells::of(self.rules).by_whom();
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
        if half.tree.count() > PLACES {
            return Err((rule.path.column, Reason::TooManyPlaces(PLACES)));
        }
        let (place, range) =
            half.tree.enter(rule.path.text).map_err(|error| (rule.path.column, error.into()))?;
        let when =
            conditions.enter(rule.when.text).map_err(|error| (rule.when.column, error.into()))?;
        let line = u32::try_from(line.number).unwrap_or(u32::MAX);
        let range = range.unwrap_or(Range::ZERO);
        half.rules.push(Placed { place, who, on, line, when, acts: rule.acts, range });
        Ok(())
    }

    /// The layer of what has been added, with its names and conditions.
    pub(crate) fn finish(mut self) -> Part {
        let allow = self.allow.finish();
        let deny = self.deny.finish();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use doorward_model::Protocol;
    use proptest::prelude::*;

    use super::*;
    use crate::bundle::{Bundle, BundleText};

    /// Patterns and wide paths of few words, so that they meet.
    fn words(level: &'static str, more: &'static str) -> impl Strategy<Value = String> {
        let path = |(levels, more): (Vec<String>, String)| {
            ["i".to_owned()].into_iter().chain(levels).collect::<Vec<_>>().join("/") + more.as_str()
        };
        (prop::collection::vec(level, 0..4), more).prop_map(path)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        /// Rule by rule and place by place, the same is found.
        #[test]
        fn both_ways_lead_to_the_same_rules(
            rules in prop::collection::vec(
                (0..4_u32, 0..3_u32, words("[ab012*]|1-3|2-9|holding|\\$s", "(/\\*\\*)?"), "\\*|subscribe|write"),
                1..40,
            ),
            topic in words("[ab12+]|\\$s", "(/#)?"),
            unit in 0..3_u8,
            (who, on) in (prop::collection::vec(0..4_u32, 1..3), 0..3_u32),
        ) {
            let rule = |(who, on, path, acts): &(u32, u32, String, String)| {
                format!("p, role/r{who}, group/g{on}, {path}, {acts}, , deny\n")
            };
            let policy = rules.iter().map(rule).collect();
            let bundle = Bundle::parse(BundleText { policy, ..BundleText::default() }).unwrap();
            let compiled = bundle.compiled();
            let mut whos: Vec<u32> =
                who.iter().filter_map(|who| compiled.who("role/", &format!("r{who}"))).collect();
            whos.sort_unstable();
            whos.dedup();
            let ons: Vec<u32> = compiled.group(&format!("g{on}")).into_iter().collect();
            let side = &compiled.base.layer.deny;
            let registers = format!("i/{unit}/holding/2-3");
            let asked = [
                (Protocol::Mqtt, Action::Subscribe, topic),
                (Protocol::Modbus, Action::Write, registers),
            ];
            for (protocol, action, path) in asked {
                let Ok(path) = Path::parse(protocol, action, &path) else { continue };
                let ids = |of| Ids { of, own: None };
                let asked = (ids(&whos), ids(&ons), action);
                let (mut one, mut other) = (BTreeSet::new(), BTreeSet::new());
                let all = side.meeting(&path, asked, &mut |number, _| {
                    one.insert(number);
                    Found::On
                });
                prop_assert!(all.is_continue());
                let all = side.reaching(Extent::Some, &path, asked, &mut |number, _| {
                    other.insert(number);
                    Found::On
                });
                prop_assert!(all.is_continue());
                prop_assert_eq!(one, other, "{}", path);
            }
        }
    }
}
