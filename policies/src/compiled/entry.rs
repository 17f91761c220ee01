//! A rule as the compiled form keeps it.

use crate::pattern::NumberRange;
use crate::rule::Acts;

/// One rule.
#[derive(Clone, Debug)]
pub(crate) struct RuleEntry {
    /// Its line in `policy.csv`.
    pub(crate) line: u32,
    /// The number of its conditions; 0 is none.
    pub(crate) when: u32,
    pub(crate) acts: Acts,
    /// The range of its last segment, where its place is one of ranges.
    pub(super) first: u32,
    pub(super) last: u32,
    /// Up to where the ranges of the half that it is the middle of reach.
    pub(super) max_last: u32,
    pub(super) single: bool,
}

/// A rule with all that says where it goes.
#[derive(Clone, Debug)]
pub(crate) struct PlacedRule {
    pub(crate) node: u32,
    pub(crate) who: u32,
    pub(crate) on: u32,
    pub(crate) line: u32,
    pub(crate) when: u32,
    pub(crate) acts: Acts,
    /// The range of its last segment, if its place is one of ranges; else any.
    pub(crate) range: NumberRange,
}

impl RuleEntry {
    /// The range of its last segment, if its place is one of ranges.
    pub(crate) fn range(&self) -> NumberRange {
        NumberRange { first: self.first, last: self.last, single: self.single }
    }
}
