//! How often rules have let something through, by the audit log.

use std::collections::{BTreeMap, HashMap};

use doorward_model::Revision;
use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::record::{Event, Record};
use crate::rule::{Rule, without_byte_order_mark};

/// How often the rules of a bundle have let something through, by the audit log. A record names
/// lines of the bundle that was in force then, so it counts for a rule that this bundle has, too.
#[derive(Debug)]
pub struct RuleUse {
    /// The line of each rule in the present bundle, by its text. Empty if there are very many.
    lines: HashMap<String, usize>,
    /// For each bundle, when it was applied, and which of its lines are which of the present one.
    bundles: BTreeMap<Revision, Applied>,
    present: Revision,
    /// How often the rule on each line has let something through.
    counts: BTreeMap<usize, u64>,
    /// The time of the first record.
    begin: Option<Timestamp>,
}

#[derive(Debug)]
struct Applied {
    at: Timestamp,
    /// `None` if the lines are those of the present bundle.
    lines: Option<BTreeMap<usize, usize>>,
}

impl RuleUse {
    /// How many former bundles are looked at.
    pub const FORMER: u32 = 32;
    /// The most rules of a bundle whose former use is looked for.
    const MOST: usize = 5_000;

    /// Begins to count for the bundle in force, which was applied at that instant.
    #[must_use]
    pub fn of(bundle: &Bundle, present: Revision, at: Timestamp) -> Self {
        let few = bundle.len() <= Self::MOST;
        let rules = few.then(|| bundle.rules().map(|rule| (rule.to_string(), rule.line())));
        Self {
            lines: rules.into_iter().flatten().collect(),
            bundles: [(present, Applied { at, lines: None })].into(),
            present,
            counts: BTreeMap::new(),
            begin: None,
        }
    }

    /// Returns whether the use under former bundles counts.
    #[must_use]
    pub fn looks_back(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Reads the rules of a former bundle, which was applied at that instant.
    pub fn add_former(&mut self, revision: Revision, at: Timestamp, policy: &str) {
        let mut lines = BTreeMap::new();
        for (number, line) in (1..).zip(without_byte_order_mark(policy).lines()) {
            let rule = Rule::read(number, line);
            if let Some(present) = rule.and_then(|rule| self.lines.get(&rule.to_string())) {
                lines.insert(number, *present);
            }
        }
        self.bundles.insert(revision, Applied { at, lines: Some(lines) });
    }

    /// Counts one record, if it is of something that was let through.
    pub fn take(&mut self, record: &Record) {
        self.begin = Some(self.begin.map_or(record.at, |begin| begin.min(record.at)));
        // The record of an operation that was cut, or refused, has an outcome.
        let through = matches!(record.event, Event::FlowOpen | Event::Request)
            || record.event == Event::Operation && record.outcome.is_none();
        let bundle = record.revision.and_then(|revision| self.bundles.get(&revision));
        let Some(bundle) = bundle.filter(|_| through) else { return };
        for line in &record.rules {
            let line = match &bundle.lines {
                None => Some(line),
                Some(lines) => lines.get(line),
            };
            if let Some(line) = line {
                *self.counts.entry(*line).or_default() += 1;
            }
        }
    }

    /// Returns since when the rule on a line has let nothing through, in words. `None` if it has let
    /// something through.
    pub(crate) fn unused(&self, line: usize) -> Option<String> {
        if self.counts.contains_key(&line) {
            return None;
        }
        let has = |applied: &Applied| match &applied.lines {
            None => true,
            Some(lines) => lines.values().any(|present| *present == line),
        };
        let with = self.bundles.iter().filter(|(_, applied)| has(applied));
        let first = with.min_by_key(|(_, applied)| applied.at);
        let (revision, at) = first
            .map_or((self.present, Timestamp::MIN), |(revision, applied)| (*revision, applied.at));
        let (since, because) = match self.begin.filter(|begin| *begin > at) {
            Some(begin) => (begin, "when the audit log begins".to_owned()),
            None => (at, format!("when revision {} was applied", revision.0)),
        };
        let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
        Some(format!("nothing was let through by it since {since}, {because}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{bundle, now};
    use crate::record::Outcome;

    const ONE: &str = "p, role/a, plc, a, connect, , allow\n";
    const OTHER: &str = "p, role/a, plc, b, connect, , allow\n";

    fn record(event: Event, revision: i64, rules: &[usize]) -> Record {
        let mut record = Record::new(now(), event);
        (record.revision, record.rules) = (Some(Revision(revision)), rules.to_vec());
        record
    }

    fn used(records: &[Record]) -> [Option<String>; 2] {
        let at = |text: &str| text.parse().unwrap();
        let present = bundle(&format!("# two\n{ONE}{OTHER}"));
        let mut used = RuleUse::of(&present, Revision(3), at("2026-03-01T00:00:00.5Z"));
        used.add_former(Revision(2), at("2026-02-01T00:00:00Z"), &OTHER.replace(", ", ","));
        used.add_former(Revision(1), at("2026-01-01T00:00:00Z"), "no rule\n");
        let mut first = Record::new(at("2025-01-01T00:00:00Z"), Event::Start);
        first.revision = None;
        used.take(&first);
        records.iter().for_each(|record| used.take(record));
        [used.unused(2), used.unused(3)]
    }

    #[test]
    fn a_rule_is_used_if_something_was_let_through_by_its_text() {
        let never = [
            Some(
                "nothing was let through by it since 2026-03-01T00:00:00Z, when revision 3 was applied",
            ),
            Some(
                "nothing was let through by it since 2026-02-01T00:00:00Z, when revision 2 was applied",
            ),
        ];
        let mut refused = record(Event::Operation, 3, &[2, 3]);
        refused.outcome = Some(Outcome::Refused);
        for unused in [
            vec![],
            vec![refused, record(Event::FlowRefused, 3, &[2, 3]), record(Event::FlowEnd, 3, &[3])],
            // Another rule, another line, and a bundle that nobody knows.
            vec![record(Event::FlowOpen, 1, &[1]), record(Event::FlowOpen, 2, &[3])],
            vec![record(Event::FlowOpen, 9, &[2])],
        ] {
            assert_eq!(used(&unused).each_ref().map(|one| one.as_deref()), never);
        }
        for (event, revision, line, left) in [
            (Event::FlowOpen, 3, 2, [false, true]),
            (Event::Operation, 3, 3, [true, false]),
            (Event::Request, 2, 1, [true, false]),
        ] {
            let left_over = used(&[record(event, revision, &[line])]).map(|one| one.is_some());
            assert_eq!(left_over, left, "{event:?}");
        }
    }

    #[test]
    fn a_log_that_begins_later_is_said_to() {
        let present = bundle(ONE);
        let mut used = RuleUse::of(&present, Revision(3), "2026-03-01T00:00:00Z".parse().unwrap());
        used.take(&record(Event::FlowRefused, 3, &[]));
        let said = used.unused(1).unwrap();
        let expected =
            "nothing was let through by it since 2027-01-01T12:00:00Z, when the audit log begins";
        assert_eq!(said, expected);
    }
}
