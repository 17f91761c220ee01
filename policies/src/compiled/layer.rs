//! Rules that were compiled together.

use std::sync::Arc;

use doorward_model::{Action, Path};

use super::Part;
use super::alike::Alike;
use super::cells::{Cells, Entry, Found, Ids, Placed};
use super::conditions::Conditions;
use super::steps::{Step, Steps};
use super::texts::{Texts, parts};
use super::tree::Tree;
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
    alike: Alike,
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
        asked: Asked<'_>,
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &Entry) -> Found,
    ) -> Step {
        let mut go =
            |place, reach, steps: &mut Steps| self.cells.find((place, reach), asked, steps, found);
        match extent {
            Extent::All => self.tree.covering(path, asked.2, steps, &mut go),
            Extent::Some => self.tree.meeting(path, asked.2, steps, &mut go),
        }
    }

    /// Finds the rules that reach some of a wide `path`: those that speak of who asks, kind by
    /// kind; and if these are too many, place by place. Some may be found twice.
    pub(crate) fn meeting(
        &self,
        path: &Path,
        asked: Asked<'_>,
        steps: &mut Steps,
        found: &mut impl FnMut(u32, &Entry) -> Found,
    ) -> Step {
        let step = self.alike.meeting((&self.tree, &self.cells), path, asked, steps, found);
        if !steps.ran_out() {
            return step;
        }
        steps.again();
        if steps.ran_out() {
            return step;
        }
        self.reaching(Extent::Some, path, asked, steps, found)
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
        let side = |side: &Side| side.tree.bytes() + side.cells.bytes() + side.alike.bytes();
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

    fn finish(mut self, effect: Effect) -> Side {
        let numbers = self.tree.in_order();
        for rule in &mut self.rules {
            rule.place = numbers.get(rule.place as usize).copied().unwrap_or(rule.place);
        }
        let cells = Cells::of(self.rules);
        self.tree.complete(&cells);
        let alike = Alike::of(&self.tree, &cells, effect);
        Side { tree: self.tree, cells, alike }
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
        let allow = self.allow.finish(Effect::Allow);
        let deny = self.deny.finish(Effect::Deny);
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
    use crate::compiled::Limit;

    /// Patterns and wide paths of few words, so that they meet.
    fn words(level: &'static str, more: &'static str) -> impl Strategy<Value = String> {
        let path = |(levels, more): (Vec<String>, String)| {
            ["i".to_owned()].into_iter().chain(levels).collect::<Vec<_>>().join("/") + more.as_str()
        };
        (prop::collection::vec(level, 0..5), more).prop_map(path)
    }

    /// Rules that deny, with much the same paths.
    fn rules() -> impl Strategy<Value = Vec<(u32, u32, String, String, String)>> {
        let path = words("[abc012*]|1-3|2-9|holding|\\$s", "(/\\*\\*)?");
        let when = prop_oneof![4 => Just(""), 1 => Just("until=2020-01-01T00:00:00Z")];
        let rule = (0..2_u32, 0..2_u32, path, "\\*|subscribe|write", when.prop_map(str::to_owned));
        let rule = rule.boxed();
        prop_oneof![
            2 => prop::collection::vec(rule.clone(), 1..40),
            1 => prop::collection::vec(rule, 100..300),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        /// Kind by kind, place by place and rule by rule, the same is found. Of each kind of which
        /// one rule meets the question, one is found where that is enough.
        #[test]
        fn all_ways_lead_to_the_same_rules(
            rules in rules(),
            topic in words("[abc12+]|\\$s", "(/#)?"),
            unit in 0..3_u8,
            (who, on) in (prop::collection::vec(0..2_u32, 1..3), 0..2_u32),
        ) {
            let rule = |(who, on, path, acts, when): &(u32, u32, String, String, String)| {
                format!("p, role/r{who}, group/g{on}, {path}, {acts}, {when}, deny\n")
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
                let (mut one_by_one, mut all) = (Steps::of(Limit::All, &path), Steps::of(Limit::All, &path));
                let step = side.alike.meeting(
                    (&side.tree, &side.cells),
                    &path,
                    asked,
                    &mut one_by_one,
                    &mut |number, entry| {
                        one.insert((entry.line, number));
                        Found::On
                    },
                );
                prop_assert!(step.is_continue());
                let step =
                    side.reaching(Extent::Some, &path, asked, &mut all, &mut |number, entry| {
                        other.insert((entry.line, number));
                        Found::On
                    });
                prop_assert!(step.is_continue());
                prop_assert_eq!(&one, &other, "{}", path);
                let meets = |rule: &crate::bundle::Rule| {
                    let who = who.iter().any(|who| rule.who().to_string() == format!("role/r{who}"));
                    let on = rule.on().to_string() == format!("group/g{on}");
                    who && on && rule.acts().include(action) && rule.path().overlaps(&path)
                };
                let meeting: Vec<_> = bundle.rules().filter(meets).collect();
                let lines: BTreeSet<usize> = meeting.iter().map(|rule| rule.line()).collect();
                let found: BTreeSet<usize> = one.iter().map(|(line, _)| *line as usize).collect();
                prop_assert_eq!(&found, &lines, "{}", path);
                // One of each condition is enough.
                let mut whens = BTreeSet::new();
                let mut steps = Steps::of(Limit::Few, &path);
                let step = side.meeting(&path, asked, &mut steps, &mut |number, entry| {
                    assert!(one.contains(&(entry.line, number)));
                    whens.insert(entry.when);
                    Found::Alike
                });
                if steps.ran_out() {
                    prop_assert!(rules.len() > 100, "few rules take few steps");
                    continue;
                }
                prop_assert!(step.is_continue());
                let conditions: BTreeSet<String> =
                    meeting.iter().map(|rule| rule.when().to_string()).collect();
                prop_assert_eq!(whens.len(), conditions.len(), "{}", path);
            }
        }
    }
}
