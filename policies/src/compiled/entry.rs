//! A rule as the compiled form stores it.

use super::packed_range::PackedRange;
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
    pub(super) packed: PackedRange,
    /// The largest end in the half of the run of which this rule is the middle. So the run is an
    /// interval tree without pointers.
    pub(super) max_last: u32,
}

const _: () = assert!(size_of::<RuleEntry>() == 24, "each byte counts once for every rule");

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
        self.packed.range()
    }
}
