//! Compares rules with a question, part by part.

use doorward_model::{Group, Path, Role};
use serde::Serialize;

use crate::bundle::Bundle;
use crate::question::{Context, Question};
use crate::rule::{Effect, On, Rule, Who};
use crate::when::{Seen, Truth};

/// A rule, compared with a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weighed {
    /// Its line in `policy.csv`.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// The parts that do not match the question: `who`, `device`, `path`, `action`, `when`.
    pub failed: Vec<&'static str>,
    /// Its conditions, with the values that they saw.
    pub conditions: Vec<Seen>,
}

/// How many rules a denial names.
const NEAREST: usize = 5;

/// Returns how far a rule is from allowing. Fewer failed parts come first, then parts that are
/// easier to change.
fn distance(failed: &[&str]) -> (usize, usize) {
    let weight = |part: &str| match part {
        "when" => 0,
        "who" => 1,
        "device" => 2,
        "action" => 3,
        _ => 4,
    };
    (failed.len(), failed.iter().map(|part| weight(part)).sum())
}

/// A question, with everything that a rule is compared with.
pub(crate) struct Scale<'a> {
    pub(crate) question: &'a Question,
    /// Other names of the resource.
    pub(crate) aliases: &'a [Path],
    pub(crate) context: &'a Context,
    pub(crate) roles: &'a [Role],
    pub(crate) groups: &'a [Group],
}

impl Scale<'_> {
    /// Returns the allow rules that come nearest to allowing, the nearest first.
    pub(crate) fn nearest(&self, bundle: &Bundle) -> Vec<Weighed> {
        let mut best: Vec<((usize, usize), Rule)> = Vec::with_capacity(NEAREST + 1);
        for rule in bundle.rules().filter(|rule| rule.effect() == Effect::Allow) {
            let distance = distance(&self.failed(&rule));
            // Of equally near rules, the first ones are kept.
            let at = best.partition_point(|(other, _)| *other <= distance);
            if at < NEAREST {
                best.insert(at, (distance, rule));
                best.truncate(NEAREST);
            }
        }
        best.iter().map(|(_, rule)| self.weigh(rule)).collect()
    }

    pub(crate) fn weigh(&self, rule: &Rule) -> Weighed {
        let conditions = rule.when().seen(self.context);
        let (line, text) = (rule.line(), rule.to_string());
        Weighed { line, text, failed: self.failed(rule), conditions }
    }

    /// Returns the parts of a rule that do not match the question.
    fn failed(&self, rule: &Rule) -> Vec<&'static str> {
        let Question { subject, resource, action, .. } = self.question;
        let who = match rule.who() {
            Who::Role(role) => self.roles.contains(role),
            Who::Subject(named) => named == subject,
        };
        let on = match rule.on() {
            On::Group(group) => self.groups.contains(group),
            On::Device(named) => *named == resource.device,
        };
        let path = match rule.effect() {
            Effect::Allow => rule.path().covers(&resource.path),
            Effect::Deny => {
                let mut names = std::iter::once(&resource.path).chain(self.aliases);
                names.any(|name| rule.path().overlaps(name))
            }
        };
        let when = rule.when().holds(self.context) == Truth::True;
        let parts = [
            ("who", who),
            ("device", on),
            ("path", path),
            ("action", rule.acts().include(*action)),
            ("when", when),
        ];
        parts.into_iter().filter(|(_, meets)| !meets).map(|(part, _)| part).collect()
    }
}
