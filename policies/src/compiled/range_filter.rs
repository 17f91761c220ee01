//! Selects rules of a node by the range of their last segment.

use crate::pattern::NumberRange;

/// Selects rules of a node by the range of their last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeFilter {
    /// All rules. The node has no ranges, or each meets the question.
    All,
    /// Rules whose range begins at `first` or before, and ends at `last` or after.
    Spanning {
        /// The largest beginning.
        first: u32,
        /// The smallest end.
        last: u32,
    },
    /// Rules with exactly this range.
    Exactly(NumberRange),
}

impl RangeFilter {
    /// Returns the filter for ranges that contain a number from `first` to `last`: they begin
    /// before `last` ends, and end after `first` begins.
    pub(super) fn overlapping(first: u32, last: u32) -> Self {
        Self::Spanning { first: last, last: first }
    }
}
