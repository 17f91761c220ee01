//! A rule as the compiled form stores it.

use crate::pattern::NumberRange;
use crate::rule::Acts;

/// A rule without its node, who and what.
#[derive(Clone, Debug)]
pub(crate) struct RuleEntry {
    /// Its line in `policy.csv`.
    pub(crate) line: u32,
    /// The number of its conditions; 0 is none.
    pub(crate) when: u32,
    pub(crate) acts: Acts,
    /// The range of its last segment, if its node is a
    /// [`RangeSet`](super::node::NodeKind::RangeSet).
    pub(super) start: RangeStart,
    pub(super) last: u32,
    /// The largest `last` in the half of the run of which this rule is the middle. So the run is an
    /// interval tree without pointers.
    pub(super) max_last: u32,
}

const _: () = assert!(size_of::<RuleEntry>() == 24, "each byte counts once for every rule");

/// The first number of a range, and whether the rule writes a single number: both in four bytes,
/// since a bundle holds up to millions of entries. Starts are in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RangeStart(u32);

impl RangeStart {
    /// Returns the start of a range. [`NumberRange::LARGEST`] leaves the bit free.
    pub(super) fn of(range: NumberRange) -> Self {
        Self(range.first << 1 | u32::from(range.single))
    }

    pub(super) fn number(self) -> u32 {
        self.0 >> 1
    }

    fn is_single(self) -> bool {
        self.0 & 1 == 1
    }
}

/// A rule with its node, who and what.
#[derive(Clone, Debug)]
pub(crate) struct PlacedRule {
    pub(crate) node: u32,
    pub(crate) who: u32,
    pub(crate) on: u32,
    pub(crate) line: u32,
    pub(crate) when: u32,
    pub(crate) acts: Acts,
    /// The range of its last segment, if its node is a range set; otherwise any.
    pub(crate) range: NumberRange,
}

impl RuleEntry {
    /// Returns the range of its last segment, if its node is a range set.
    pub(crate) fn range(&self) -> NumberRange {
        NumberRange { first: self.start.number(), last: self.last, single: self.start.is_single() }
    }
}
