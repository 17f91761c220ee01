//! How a search goes on after each rule that it finds.

use std::ops::ControlFlow;

/// What a search does after the visit to a node or a rule: goes on, or stops.
pub(crate) type SearchFlow = ControlFlow<()>;

/// What a search within a run does after a rule: goes on, or stops for the reason it carries.
pub(super) type RunFlow = ControlFlow<SearchControl>;

/// What the caller of a search wants next, after a rule that the search has found.
pub(crate) enum SearchControl {
    /// The next rule.
    Next,
    /// No further rule of this node that has the same conditions: it would say nothing new.
    SkipAlike,
    /// No further rule at all.
    Stop,
}
