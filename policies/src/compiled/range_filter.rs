//! Which rules of a node a question is about, by the range of their last segment.

use crate::pattern::NumberRange;

/// Which rules of a place are meant, by the range of their last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeFilter {
    /// All; there is no such range.
    All,
    /// Those that begin at `first` or before, and end at `last` or after.
    Spanning {
        /// At most here they begin.
        first: u32,
        /// At least here they end.
        last: u32,
    },
    /// Those that are written just so.
    Exactly(NumberRange),
}

impl RangeFilter {
    /// Those that have some number from `first` to `last`: they begin before it ends, and end
    /// after it begins.
    pub(super) fn overlapping(first: u32, last: u32) -> Self {
        Self::Spanning { first: last, last: first }
    }
}
