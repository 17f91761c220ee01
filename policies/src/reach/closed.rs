//! Why a subject can do nothing at an interface.

use std::collections::BTreeSet;

use jiff::Timestamp;
use smallvec::SmallVec;

use crate::decision::Refusal;
use crate::lines::RuleLines;
use crate::question::Context;
use crate::when::{Truth, When};

/// Why a subject can do nothing of what was asked about.
pub(super) struct Closed {
    pub(super) refusal: Refusal,
    nearness: Nearness,
    /// The rules that deny it, or that would allow it under other conditions.
    pub(super) rules: RuleLines,
    /// The first instant at which time alone could change that.
    pub(super) changes_at: Option<Timestamp>,
}

/// How near something is to being open. What is nearest is the reason to name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    NoRule,
    Denied,
    OtherConditions,
    OtherTime,
}

impl Closed {
    /// Returns that a deny rule is the reason, until `changes_at` at least.
    pub(super) fn denied(line: u32, changes_at: Option<Timestamp>) -> Self {
        let rules = [line].into_iter().collect();
        Self { refusal: Refusal::DeniedByRule, nearness: Nearness::Denied, rules, changes_at }
    }

    /// Returns that the reason is not among the rules.
    pub(super) fn barred(refusal: Refusal) -> Self {
        Self { refusal, ..Self::default() }
    }
}

impl Default for Closed {
    fn default() -> Self {
        Waiting::default().closed()
    }
}

/// Returns what is open, or else nearer to being open.
pub(super) fn nearer(one: Result<(), Closed>, other: Result<(), Closed>) -> Result<(), Closed> {
    let (mut one, mut other) = match (one, other) {
        (Ok(()), _) | (_, Ok(())) => return Ok(()),
        (Err(one), Err(other)) => (one, other),
    };
    let changes_at = [one.changes_at, other.changes_at].into_iter().flatten().min();
    if one.nearness < other.nearness {
        std::mem::swap(&mut one, &mut other);
    }
    if one.nearness == other.nearness {
        let lines: BTreeSet<usize> = one.rules.iter().chain(other.rules.iter()).collect();
        one.rules = lines.into_iter().filter_map(|line| u32::try_from(line).ok()).collect();
    }
    Err(Closed { changes_at, ..one })
}

/// The allow rules whose conditions do not hold now.
#[derive(Default)]
pub(super) struct Waiting {
    for_time: SmallVec<[u32; RuleLines::MOST]>,
    for_conditions: SmallVec<[u32; RuleLines::MOST]>,
    changes_at: Option<Timestamp>,
}

impl Waiting {
    /// Adds a rule that does not apply.
    pub(super) fn add(&mut self, line: u32, when: &When, context: &Context) {
        let by_time = when.holds(context) == Truth::False && when.fails_by_time_only(context);
        let lines = if by_time { &mut self.for_time } else { &mut self.for_conditions };
        if lines.len() < RuleLines::MOST && !lines.contains(&line) {
            lines.push(line);
        }
        let change = when.changes_at(context);
        self.changes_at = [self.changes_at, change].into_iter().flatten().min();
    }

    /// Returns whether there is such a rule.
    pub(super) fn waits(&self) -> bool {
        !(self.for_time.is_empty() && self.for_conditions.is_empty())
    }

    /// Returns why nothing is open now.
    pub(super) fn closed(self) -> Closed {
        let (refusal, nearness, lines) = if !self.for_time.is_empty() {
            (Refusal::OutsideTime, Nearness::OtherTime, self.for_time)
        } else if !self.for_conditions.is_empty() {
            (Refusal::Conditions, Nearness::OtherConditions, self.for_conditions)
        } else {
            (Refusal::NoRule, Nearness::NoRule, SmallVec::new())
        };
        Closed {
            refusal,
            nearness,
            rules: lines.into_iter().collect(),
            changes_at: self.changes_at,
        }
    }
}
